import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

/** A dialog in front of the page, which the browser itself keeps the focus in. */
export function Dialog({ label, close, children }: { label: string; close: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    element.current?.showModal()
  }, [])
  return (
    <dialog
      class="dialog"
      ref={element}
      aria-label={label}
      onClose={close}
      onClick={(event) => {
        if (event.target === element.current) element.current?.close()
      }}
    >
      {children}
    </dialog>
  )
}
