import { Fragment } from 'preact'
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Chart } from '#machines/chart.ts'
import { edgeId, HEAD, LABEL, place } from './layout.ts'
import type { Drawing, PlacedEdge, PlacedState } from './layout.ts'
import type { Flow } from './shapes.ts'
import { spoken, toneOf } from './states.ts'
import { duration, rate } from './times.ts'
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
  /** Where a click on an arrow leads. */
  edgeHrefOf?: ((id: string) => string) | undefined
  /** The arrow that is looked at. */
  currentEdge?: string | null | undefined
  /** What moved lately: hot arrows are thicker, those that nothing took step back. */
  flow?: ChartFlow | undefined
  /** The state that the list is filtered by, or in which the one job stands. */
  current?: string | null | undefined
  /** The moves that were made; arrows and states that no move touched step back. */
  moves?: readonly { event: string; from_state: string | null; to_state: string }[] | undefined
}

/** The machine, drawn from its definition: states in boxes, settled ones with a second line, events on the arrows. */
export function ChartView({ chart, counts, hrefOf, edgeHrefOf, currentEdge, flow, current, moves }: ChartProps) {
  const [frame, width] = useWidth()
  const { name, initial } = chart
  const room = { flow: flow !== undefined }
  const shape = JSON.stringify([chart.states, chart.edges, room])
  const drawings = useMemo(() => [place(chart, 'LR', room), place(chart, 'TB', room)] as const, [shape])
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
            <ArrowHead id={`${id}-tip-warm`} class="tip tip-warm" wide />
            <ArrowHead id={`${id}-tip-taken`} class="tip tip-taken" />
          </defs>
          {coldFirst(drawing.edges, taken, flow).map((edge) => (
            <Fragment key={edge.id}>
              <EdgeLine edge={edge} tip={`${id}-tip`} taken={taken?.has(edge.id) ?? currentEdge === edge.id} heat={flow && heatOf(flow, edge.id)} />
              <rect class="edge-gap" {...boxOf(edge, taken?.get(edge.id), flow && (flow.edges.get(edge.id) ?? NO_FLOW))} />
            </Fragment>
          ))}
          {drawing.start && <circle class="chart-start" cx={drawing.start.x} cy={drawing.start.y} r={drawing.start.radius} />}
          {drawing.edges.map((edge) => (
            <EdgeLabel
              key={edge.id}
              edge={edge}
              times={taken?.get(edge.id)}
              flow={flow && (flow.edges.get(edge.id) ?? NO_FLOW)}
              href={edgeHrefOf?.(edge.id)}
              lit={currentEdge === edge.id}
            />
          ))}
          {drawing.states.map((state) => (
            <StateBox
              key={state.name}
              state={state}
              size={drawing.node}
              count={counts?.[state.name] ?? (counts ? 0 : undefined)}
              href={hrefOf?.(state.name)}
              lit={current === state.name}
              p95={flow?.states.get(state.name)}
              visited={visited?.has(state.name) ?? true}
            />
          ))}
        </svg>
      )}
    </div>
  )
}

/** The arrows in the order in which they are drawn: what matters most lies on top, and no other one's words cover it. */
function coldFirst(edges: readonly PlacedEdge[], taken: ReadonlyMap<string, unknown> | undefined, flow: ChartFlow | undefined): PlacedEdge[] {
  const warmth = ({ id }: PlacedEdge) => (taken?.has(id) ? 2 : flow ? heatOf(flow, id) : 0)
  return edges.toSorted((a, b) => warmth(a) - warmth(b))
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

/** It begins where its line ends, so that the line never shows beside its tip; a thick line has a wide one. */
function ArrowHead({ id, class: className, wide = false }: { id: string; class: string; wide?: boolean }) {
  const half = wide ? HEAD * 0.8 : HEAD * 0.45
  return (
    <marker id={id} refX="0.5" refY={half} markerWidth={HEAD + 1} markerHeight={half * 2} markerUnits="userSpaceOnUse" orient="auto">
      <path class={className} d={`M 0 0 L ${HEAD} ${half} L 0 ${half * 2} z`} />
    </marker>
  )
}

interface EdgeLineProps {
  edge: PlacedEdge
  tip: string
  taken: boolean
  /** From 0, never taken, to 1, the arrow that was taken most; undefined where that is not asked. */
  heat: number | undefined
}

function EdgeLine({ edge, tip, taken, heat }: EdgeLineProps) {
  const classes = ['edge', edge.back && 'edge-back', taken && 'edge-taken', heat === 0 && 'edge-cold', heat && 'edge-warm'].filter(Boolean).join(' ')
  const width = heat ? { strokeWidth: `${(WARM_WIDTH.least + heat * WARM_WIDTH.more).toFixed(2)}px` } : undefined
  return <path class={classes} d={edge.path} style={width} marker-end={`url(#${taken ? `${tip}-taken` : heat ? `${tip}-warm` : tip})`} />
}

interface EdgeLabelProps {
  edge: PlacedEdge
  times: ReadonlyMap<string, number> | undefined
  flow: EdgeFlow | undefined
  href: string | undefined
  lit: boolean
}

function EdgeLabel({ edge, times, flow, href, lit }: EdgeLabelProps) {
  const { from, to, label, lines, back } = edge
  const first = label.y - ((lines.length - 1) * LABEL.lineHeight) / 2
  const cold = flow?.count === 0
  const classes = ['edge-label', back && 'edge-label-back', times && 'edge-label-taken', cold && 'edge-label-cold', lit && 'edge-label-lit']
    .filter(Boolean)
    .join(' ')
  const text = flow && inBrief(flow)
  const inside = (
    <>
      <rect {...boxOf(edge, times, flow)} rx="4" />
      {lines.map(({ event, text: words }, index) => {
        const count = event === null ? 0 : (times?.get(event) ?? 0)
        if (words.trim() === '') {
          return (
            <text key="flow" x={label.x} y={first + index * LABEL.lineHeight} class="edge-flow">
              {text}{' '}
            </text>
          )
        }
        return (
          <text key={words} x={label.x} y={first + index * LABEL.lineHeight} class={event === null ? 'guard' : count ? 'event-taken' : undefined}>
            {words}
            {count > 1 ? ` ×${count}` : ''}{' '}
          </text>
        )
      })}
    </>
  )
  if (href === undefined) return <g class={classes}>{inside}</g>
  const words = [...lines.map((line) => line.text.trim()), text ?? ''].filter(Boolean).join(' ')
  const way = from === null ? `to ${spoken(to)}` : `${spoken(from)} to ${spoken(to)}`
  return (
    <a
      class={classes}
      href={href}
      aria-label={`${words}: ${way}${flow ? `, ${flow.count === 1 ? 'once' : `${flow.count} times`}` : ''}`}
      aria-current={lit ? 'true' : undefined}
    >
      {inside}
    </a>
  )
}

/** Around an arrow's words, no wider than they are: what of its own line lies below them is left out. */
function boxOf({ label, lines }: PlacedEdge, times: ReadonlyMap<string, number> | undefined, flow: EdgeFlow | undefined) {
  const repeated = times !== undefined && [...times.values()].some((count) => count > 1)
  const words = flow ? [...lines.map((line) => line.text.trimEnd()), inBrief(flow)] : lines.map((line) => line.text)
  const width = widthOf(words) + (repeated ? TIMES_WIDTH : 0)
  return { x: label.x - width / 2, y: label.y - label.height / 2, width, height: label.height }
}

const widthOf = (lines: readonly string[]): number => Math.max(...lines.map((line) => line.length)) * LABEL.charWidth + 2 * LABEL.padding

/** What took an arrow lately, all of its events together. */
export interface EdgeFlow {
  count: number
  per_second: number
  /** Of the slowest of its events. */
  p95_ms: number | null
}

/** What moved through a machine lately: by arrow, and by state the p95 of how long things stood there. */
export interface ChartFlow {
  edges: ReadonlyMap<string, EdgeFlow>
  states: ReadonlyMap<string, number | null>
}

const NO_FLOW: EdgeFlow = { count: 0, per_second: 0, p95_ms: null }
const WARM_WIDTH = { least: 1.5, more: 4.5 }

/** What an API's answer means to the arrows of a drawing. */
export function chartFlow({ edges, states }: Flow): ChartFlow {
  const sums = new Map<string, EdgeFlow>()
  for (const { event: _event, from, to, ...flow } of edges) {
    const before = sums.get(edgeId(from, to)) ?? NO_FLOW
    sums.set(edgeId(from, to), {
      count: before.count + flow.count,
      per_second: before.per_second + flow.per_second,
      p95_ms: flow.p95_ms === null ? before.p95_ms : Math.max(before.p95_ms ?? 0, flow.p95_ms),
    })
  }
  return { edges: sums, states: new Map(states.map(({ state, p95_ms }) => [state, p95_ms])) }
}

/** By the logarithm: an arrow that is taken ten times as often is one step thicker. */
function heatOf({ edges }: ChartFlow, id: string): number {
  const most = Math.max(1, ...[...edges.values()].map(({ count }) => count))
  return Math.log1p(edges.get(id)?.count ?? 0) / Math.log1p(most)
}

function inBrief({ count, per_second, p95_ms }: EdgeFlow): string {
  if (count === 0) return 'never'
  return `${rate(per_second)}${p95_ms === null ? '' : `  p95 ${duration(p95_ms)}`}`
}

interface StateBoxProps {
  state: PlacedState
  size: Drawing['node']
  count: number | undefined
  href: string | undefined
  lit: boolean
  /** Undefined where it is not asked; null where nothing left the state lately. */
  p95: number | null | undefined
  visited: boolean
}

function StateBox({ state: { name, x, y, settled }, size: { width, height }, count, href, lit, p95, visited }: StateBoxProps) {
  const shown = useTween(count ?? 0)
  const pulse = usePulse(count)
  const classes = ['state', `tone-${toneOf(name)}`, settled && 'settled', lit && 'lit', !visited && 'unvisited', !count && !lit && 'empty']
  const [left, top] = [x - width / 2, y - height / 2]
  const box = (
    <>
      {pulse > 0 && <rect key={pulse} class="state-pulse" x={left} y={top} width={width} height={height} rx="10" />}
      <rect class="state-box" x={left} y={top} width={width} height={height} rx="10" />
      {settled && <rect class="state-inner" x={left + 4} y={top + 4} width={width - 8} height={height - 8} rx="7" />}
      <text class="state-name" x={x} y={count === undefined ? y : y - (p95 == null ? 11 : 17)}>
        {spoken(name)}
      </text>{' '}
      {count !== undefined && (
        <text class="state-count" x={x} y={y + (p95 == null ? 12 : 2)}>
          {brief(shown)}
        </text>
      )}{' '}
      {p95 != null && (
        <text class="state-dwell" x={x} y={y + 19}>
          p95 {duration(p95)}
        </text>
      )}
    </>
  )
  const className = classes.filter(Boolean).join(' ')
  if (href === undefined) return <g class={className}>{box}</g>
  return (
    <a
      class={className}
      href={href}
      aria-label={`${spoken(name)}: ${count === undefined ? '' : brief(count)}${p95 == null ? '' : ` p95 ${duration(p95)}`}${lit ? ', shown in the list' : ''}`}
      aria-current={lit ? 'true' : undefined}
    >
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
