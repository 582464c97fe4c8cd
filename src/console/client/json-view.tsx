import { useState } from 'preact/hooks'

interface Part {
  label: string
  value: unknown
}

/** Values as JSON, with a box that finds a text in them. What is empty is said to be. */
export function JsonView({ parts }: { parts: Part[] }) {
  const [wanted, setWanted] = useState('')
  const texts = parts.map(({ label, value }) => ({ label, text: value === null || value === undefined ? null : JSON.stringify(value, null, 2) }))
  const found = wanted === '' ? null : texts.reduce((sum, { text }) => sum + (text === null ? 0 : split(text, wanted).length - 1), 0)
  return (
    <>
      <search class="json-search">
        <input
          class="input"
          type="search"
          placeholder={`Find in ${parts.map(({ label }) => label.toLowerCase()).join(' and ')}`}
          aria-label={`Find in ${parts.map(({ label }) => label.toLowerCase()).join(' and ')}`}
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
        <span class="faint number" role="status">
          {found !== null && `${found} found`}
        </span>
      </search>
      {texts.map(({ label, text }) => (
        <div key={label} class="json">
          <h3>{label}</h3>
          {text === null ? (
            <p class="json-none faint">none</p>
          ) : (
            <pre tabIndex={0} aria-label={label}>
              <Marked text={text} wanted={wanted} />
            </pre>
          )}
        </div>
      ))}
    </>
  )
}

function Marked({ text, wanted }: { text: string; wanted: string }) {
  if (wanted === '') return <>{text}</>
  const rest = split(text, wanted)
  return (
    <>
      {rest.map((piece, index) => (
        <>
          {index > 0 && <mark>{piece.slice(0, wanted.length)}</mark>}
          {index > 0 ? piece.slice(wanted.length) : piece}
        </>
      ))}
    </>
  )
}

/** The text in pieces, each but the first beginning with what is wanted, whatever its case. */
function split(text: string, wanted: string): string[] {
  const [low, pieces] = [text.toLowerCase(), [] as string[]]
  let from = 0
  for (let at = low.indexOf(wanted.toLowerCase()); at >= 0; at = low.indexOf(wanted.toLowerCase(), at + wanted.length)) {
    pieces.push(text.slice(from, at))
    from = at
  }
  return [...pieces, text.slice(from)]
}
