import { Fragment } from 'preact'

interface TileProps {
  name: string
  value: string
  note?: string
  tone: string
  /** The query or metric that says the same. */
  from: string
  href?: string | undefined
}

/** One figure, and where it comes from. */
export function Tile({ name, value, note, tone, from, href }: TileProps) {
  return (
    <li class={`tile tone-${tone}`}>
      <span class="tile-name">{name}</span>
      <span class="tile-value">{href ? <a href={href}>{value}</a> : value}</span>
      {note && <span class="tile-note">{note}</span>}
      <Source from={from} />
    </li>
  )
}

/** A metric or an open address is a link to it; a query is there to be copied. */
function Source({ from }: { from: string }) {
  const place = from.startsWith('atum_') ? '/metrics' : from.startsWith('GET /health') ? '/health' : null
  const words = from.split(/(?=\{)|(?<=_)/)
  return (
    <code class="tile-from" title="Where this figure comes from">
      {place ? (
        <a href={place} target="_blank" rel="noreferrer">
          {broken(words)}
        </a>
      ) : (
        broken(words)
      )}
    </code>
  )
}

/** A long name may be broken between its words. */
const broken = (words: readonly string[]) =>
  words.map((word) => (
    <Fragment key={word}>
      {word}
      <wbr />
    </Fragment>
  ))
