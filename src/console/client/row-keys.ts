const STEPS: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }

/** Arrow keys (and j, k, Home, End) move the focus among the rows' links; Enter is the link's own. */
export function moveAmongRows(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>('.row-link')]
  const here = links.indexOf(document.activeElement as HTMLElement)
  const step = STEPS[event.key]
  const target = event.key === 'Home' ? links[0] : event.key === 'End' ? links.at(-1) : step && here >= 0 ? links[here + step] : undefined
  if (!target) return
  event.preventDefault()
  target.focus()
}
