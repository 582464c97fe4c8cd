import { useLayoutEffect, useRef, useState } from 'preact/hooks'

interface Props {
  codes: readonly string[]
  /** What the button says that goes on once they are kept. */
  label: string
  kept: () => void
}

/** Codes that are shown this once: to be copied, or kept as a file, before one goes on. */
export function RecoveryCodes({ codes, label, kept }: Props) {
  const [sure, setSure] = useState(false)
  const [copied, setCopied] = useState(false)
  const list = useRef<HTMLOListElement>(null)
  useLayoutEffect(() => list.current?.focus(), [])
  const text = `${codes.join('\n')}\n`
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
    } catch {
      // The browser may not let a page write there: then they stand selected, to be copied by hand.
      getSelection()?.selectAllChildren(list.current!)
    }
  }
  const save = () => {
    const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    const link = document.createElement('a')
    link.href = address
    link.download = 'atum-desk-recovery-codes.txt'
    link.click()
    setTimeout(() => URL.revokeObjectURL(address), 60_000)
  }
  return (
    <div class="factor">
      <p>Each of these lets you in once without the app. They are shown now and never again: keep them where your phone is not.</p>
      <ol class="codes mono" ref={list} tabIndex={-1} aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <div class="actions">
        <button class="button" type="button" onClick={() => void copy()}>
          {copied ? 'Copied' : 'Copy'}
        </button>
        <button class="button" type="button" onClick={save}>
          Download
        </button>
      </div>
      <label class="door-check">
        <input type="checkbox" checked={sure} onChange={(event) => setSure(event.currentTarget.checked)} />I have kept them
      </label>
      <button class="button button-main" type="button" disabled={!sure} onClick={kept}>
        {label}
      </button>
    </div>
  )
}
