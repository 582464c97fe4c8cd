import { useRef, useState } from 'preact/hooks'

/** A `ref` of what is focused as it appears. It is one function, so that drawing the element again takes no focus away from another. */
export const takeFocus = (element: HTMLElement | null): void => element?.focus()

/** A question that stands in the place of the button that asks it: leaving it gives the focus back to that button. */
export function useQuestion(): { asked: boolean; ask: () => void; leave: () => void; asker: (element: HTMLElement | null) => void } {
  const [asked, setAsked] = useState(false)
  const left = useRef(false)
  const { current: handles } = useRef({
    ask: () => setAsked(true),
    leave: () => {
      left.current = true
      setAsked(false)
    },
    asker: (element: HTMLElement | null) => {
      if (element && left.current) element.focus()
      if (element) left.current = false
    },
  })
  return { asked, ...handles }
}

/**
 * After a deed whose button was disabled for its time, or went with it: the focus returns to the button, or to the heading
 * of what it stood in. Where the deed put it elsewhere, it stays there.
 */
export function returnFocus(before: Element | null): void {
  if (document.activeElement !== document.body && document.activeElement !== null) return
  if (!(before instanceof HTMLElement) || before === document.body) return
  before.focus()
  if (document.activeElement === before) return
  const heading = document.querySelector<HTMLElement>('main h1')
  if (!heading) return
  heading.tabIndex = -1
  heading.focus({ preventScroll: true })
}
