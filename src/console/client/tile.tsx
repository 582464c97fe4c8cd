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
      <code class="tile-from" title="Where this figure comes from">
        {from}
      </code>
    </li>
  )
}
