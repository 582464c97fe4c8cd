import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Chart } from '#machines/chart.ts'
import { edgeId, LABEL, NODE, place } from './layout.ts'
import type { Drawing, PlacedEdge, PlacedState } from './layout.ts'
import { spoken, toneOf } from './states.ts'
import { useTween } from './tween.ts'

/** Below this scale the labels cannot be read: the drawing scrolls instead. */
const SCALE_MIN = 0.66
/** Room for " ×12" behind an event. */
const TIMES_WIDTH = 4 * LABEL.charWidth
const COUNT_DIGITS_MAX = 99_999

export interface ChartProps {
  chart: Chart
  counts?: Record<string, number> | undefined
  /** Where a click on a state leads; without it states are no links. */
  hrefOf?: ((state: string) => string) | undefined
  /** The state that the list is filtered by, or in which the one job stands. */
  current?: string | null | undefined
  /** The moves that were made; arrows and states that no move touched step back. */
  moves?: readonly { event: string; from_state: string | null; to_state: string }[] | undefined
}

/** The machine, drawn from its definition: states in boxes, settled ones with a second line, events on the arrows. */
export function ChartView({ chart, counts, hrefOf, current, moves }: ChartProps) {
  const [frame, width] = useWidth()
  const { name, initial } = chart
  const shape = JSON.stringify([chart.states, chart.edges])
  const drawings = useMemo(() => [place(chart, 'LR'), place(chart, 'TB')] as const, [shape])
  const drawing = best(drawings, width)
  const scale = Math.max(SCALE_MIN, Math.min(1, width / drawing.width))
  const id = useId()
  const taken = useMemo(() => (moves ? countMoves(moves) : undefined), [moves?.length])
  const visited = useMemo(() => (moves ? new Set(moves.map((move) => move.to_state)) : undefined), [moves?.length])

  // Where the drawing is wider than its frame, it begins at the state that matters.
  useLayoutEffect(() => {
    const { x = 0 } = drawing.states.find((state) => state.name === (current ?? initial)) ?? {}
    if (frame.current) frame.current.scrollLeft = x * scale - width / 2
  }, [drawing, width])

  return (
    <div class="chart" ref={frame} tabIndex={0} role="group" aria-label={`The ${spoken(name)} machine: begins ${spoken(initial)}`}>
      {width > 0 && (
        <svg
          class={taken ? 'chart-svg has-path' : 'chart-svg'}
          viewBox={`0 0 ${drawing.width} ${drawing.height}`}
          width={drawing.width * scale}
          height={drawing.height * scale}
        >
          <defs>
            <ArrowHead id={`${id}-tip`} class="tip" />
            <ArrowHead id={`${id}-tip-taken`} class="tip tip-taken" />
          </defs>
          {drawing.edges.map((edge) => (
            <EdgeLine key={edge.id} edge={edge} tip={`${id}-tip`} taken={taken?.has(edge.id) ?? false} />
          ))}
          {drawing.start && <circle class="chart-start" cx={drawing.start.x} cy={drawing.start.y} r={drawing.start.radius} />}
          {drawing.edges.map((edge) => (
            <EdgeLabel key={edge.id} edge={edge} times={taken?.get(edge.id)} />
          ))}
          {drawing.states.map((state) => (
            <StateBox
              key={state.name}
              state={state}
              count={counts?.[state.name] ?? (counts ? 0 : undefined)}
              href={hrefOf?.(state.name)}
              lit={current === state.name}
              visited={visited?.has(state.name) ?? true}
            />
          ))}
        </svg>
      )}
    </div>
  )
}

/** How often each event took each arrow. */
function countMoves(moves: NonNullable<ChartProps['moves']>): Map<string, Map<string, number>> {
  const counts = new Map<string, Map<string, number>>()
  for (const { event, from_state, to_state } of moves) {
    const id = edgeId(from_state, to_state)
    const events = counts.get(id) ?? new Map<string, number>()
    counts.set(id, events.set(event, (events.get(event) ?? 0) + 1))
  }
  return counts
}

function best([across, down]: readonly [Drawing, Drawing], width: number): Drawing {
  const fit = (drawing: Drawing) => Math.min(1, width / drawing.width)
  return fit(across) >= Math.min(0.82, fit(down)) ? across : down
}

function ArrowHead({ id, class: className }: { id: string; class: string }) {
  return (
    <marker id={id} viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto-start-reverse">
      <path class={className} d="M 0 1 L 10 5 L 0 9 z" />
    </marker>
  )
}

function EdgeLine({ edge, tip, taken }: { edge: PlacedEdge; tip: string; taken: boolean }) {
  const classes = ['edge', edge.back && 'edge-back', taken && 'edge-taken'].filter(Boolean).join(' ')
  return <path class={classes} d={edge.path} marker-end={`url(#${taken ? `${tip}-taken` : tip})`} />
}

function EdgeLabel({ edge: { label, lines, back }, times }: { edge: PlacedEdge; times: ReadonlyMap<string, number> | undefined }) {
  const first = label.y - ((lines.length - 1) * LABEL.lineHeight) / 2
  const classes = ['edge-label', back && 'edge-label-back', times && 'edge-label-taken'].filter(Boolean).join(' ')
  const repeated = times !== undefined && [...times.values()].some((count) => count > 1)
  const width = label.width + (repeated ? TIMES_WIDTH : 0)
  return (
    <g class={classes}>
      <rect x={label.x - width / 2} y={label.y - label.height / 2} width={width} height={label.height} rx="4" />
      {lines.map(({ event, text }, index) => {
        const count = event === null ? 0 : (times?.get(event) ?? 0)
        return (
          <text key={text} x={label.x} y={first + index * LABEL.lineHeight} class={event === null ? 'guard' : count ? 'event-taken' : undefined}>
            {text}
            {count > 1 ? ` ×${count}` : ''}
          </text>
        )
      })}
    </g>
  )
}

interface StateBoxProps {
  state: PlacedState
  count: number | undefined
  href: string | undefined
  lit: boolean
  visited: boolean
}

function StateBox({ state: { name, x, y, settled }, count, href, lit, visited }: StateBoxProps) {
  const shown = useTween(count ?? 0)
  const pulse = usePulse(count)
  const classes = ['state', `tone-${toneOf(name)}`, settled && 'settled', lit && 'lit', !visited && 'unvisited', !count && !lit && 'empty']
  const [left, top] = [x - NODE.width / 2, y - NODE.height / 2]
  const box = (
    <>
      {pulse > 0 && <rect key={pulse} class="state-pulse" x={left} y={top} width={NODE.width} height={NODE.height} rx="10" />}
      <rect class="state-box" x={left} y={top} width={NODE.width} height={NODE.height} rx="10" />
      {settled && <rect class="state-inner" x={left + 4} y={top + 4} width={NODE.width - 8} height={NODE.height - 8} rx="7" />}
      <text class="state-name" x={x} y={count === undefined ? y : y - 11}>
        {spoken(name)}
      </text>
      {count !== undefined && (
        <text class="state-count" x={x} y={y + 12}>
          {brief(shown)}
        </text>
      )}
    </>
  )
  const className = classes.filter(Boolean).join(' ')
  if (href === undefined) return <g class={className}>{box}</g>
  return (
    <a class={className} href={href} aria-label={`${spoken(name)}: ${count ?? 0}${lit ? ', shown in the list' : ''}`} aria-current={lit ? 'true' : undefined}>
      <title>{lit ? 'Show jobs in every state' : `Show only ${spoken(name)} (${(count ?? 0).toLocaleString('en')})`}</title>
      {box}
    </a>
  )
}

const brief = (count: number): string =>
  count > COUNT_DIGITS_MAX ? new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(count) : count.toLocaleString('en')

/** A number that grows each time when `value` changes after it was first known; the key of an animation. */
function usePulse(value: number | undefined): number {
  const before = useRef(value)
  const [pulse, setPulse] = useState(0)
  useEffect(() => {
    if (before.current !== undefined && value !== before.current) setPulse((count) => count + 1)
    before.current = value
  }, [value])
  return pulse
}

function useWidth() {
  const element = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)))
    if (element.current) observer.observe(element.current)
    return () => observer.disconnect()
  }, [])
  return [element, width] as const
}
