import { graphlib, layout } from '@dagrejs/dagre'
import type { Chart, Edge } from '#machines/chart.ts'
import { eventName, settledStates } from './states.ts'

/** Sizes in the drawing's own units, which are CSS pixels at its natural size. */
const NODE = { width: 124, height: 60 }
/** A state's name is set in a wider letter than its events, with air on both sides. */
const NAME = { charWidth: 7.9, padding: 12 }
export const LABEL = { charWidth: 6.65, lineHeight: 15, padding: 5 }
const START_SIZE = 14
/** How long an arrow's head is: its line ends that far from the box. */
export const HEAD = 8
const MARGIN = 8

export interface PlacedState {
  name: string
  x: number
  y: number
  settled: boolean
}

/** A line of an arrow's label; `event` is null where it is the guard alone. */
export interface Line {
  event: string | null
  text: string
}

/** The arrows between two states as one line: several events may lead the same way. */
export interface PlacedEdge {
  id: string
  from: string | null
  to: string
  /** One line of text for each event, and for the guard, in brackets, that they share. */
  lines: Line[]
  /** Leads back from a settled state: somebody's decision, not the normal way. */
  back: boolean
  path: string
  label: Point & Size
}

export interface Drawing {
  width: number
  height: number
  /** The size of every box: as wide as the longest name needs. */
  node: Size
  start: { x: number; y: number; radius: number } | null
  states: PlacedState[]
  edges: PlacedEdge[]
}

interface Point {
  x: number
  y: number
}

interface Size {
  width: number
  height: number
}

/** Places a machine's states and arrows, from left to right or from top to bottom; with `flow`, each arrow's label has room for one more line. Pure. */
export function place(chart: Chart, direction: 'LR' | 'TB', { flow = false } = {}): Drawing {
  const settled = settledStates(chart)
  const groups = mergeEdges(chart).map((group) => (flow ? { ...group, lines: [...group.lines, { event: null, text: FLOW_ROOM }] } : group))
  const node = { ...NODE, width: Math.max(NODE.width, ...chart.states.map((state) => state.length * NAME.charWidth + 2 * NAME.padding)) }
  const graph = new graphlib.Graph({ multigraph: true })
  graph.setGraph({ rankdir: direction, nodesep: 26, edgesep: 14, ranksep: direction === 'LR' ? 34 : 26, marginx: MARGIN, marginy: MARGIN })
  if (groups.some((group) => group.from === null)) graph.setNode(START, { width: START_SIZE, height: START_SIZE })
  for (const state of chart.states) graph.setNode(state, { ...node })
  for (const group of groups) {
    const back = group.from !== null && settled.has(group.from)
    graph.setEdge(group.from ?? START, group.to, { ...labelSize(group.lines), labelpos: 'c', weight: back ? 1 : 4, minlen: 1 }, group.id)
  }
  layout(graph)

  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number }
  const at = (name: string) => graph.node(name) as Point
  return {
    width,
    height,
    node,
    start: graph.hasNode(START) ? { x: at(START).x, y: at(START).y, radius: START_SIZE / 2 } : null,
    states: chart.states.map((name) => ({ name, x: at(name).x, y: at(name).y, settled: settled.has(name) })),
    edges: groups.map((group) => {
      const edge = graph.edge(group.from ?? START, group.to, group.id) as { points: Point[]; x: number; y: number }
      const back = group.from !== null && settled.has(group.from)
      const label = { x: edge.x, y: edge.y, ...labelSize(group.lines) }
      return { ...group, back, path: group.from === group.to ? loop(at(group.to), node, label) : smooth(edge.points), label }
    }),
  }
}

const START = '\u2022 start'
/** As much room as "12.3k/s  p95 59.9 s" needs, below the events of an arrow. */
const FLOW_ROOM = ' '.repeat(19)

interface Group {
  id: string
  from: string | null
  to: string
  lines: Line[]
}

function mergeEdges({ edges }: Chart): Group[] {
  const groups = Map.groupBy(edges, ({ from, to }) => edgeId(from, to))
  return [...groups].map(([id, [first, ...rest]]) => ({ id, from: first!.from, to: first!.to, lines: linesOf([first!, ...rest]) }))
}

/** The name of all arrows from one state to another. */
export const edgeId = (from: string | null, to: string): string => `${from ?? ''}>${to}`

/** Where every event of an arrow has the same guard, it is written once, below them. */
function linesOf(edges: Edge[]): Line[] {
  const [guard] = edges.map((edge) => edge.guard)
  const shared = guard && edges.length > 1 && edges.every((edge) => edge.guard === guard)
  const lines = edges.map((edge) => ({
    event: edge.event,
    text: edge.guard === null || shared ? eventName(edge.event) : `${eventName(edge.event)} [${edge.guard}]`,
  }))
  return shared ? [...lines, { event: null, text: `[${guard}]` }] : lines
}

function labelSize(lines: Line[]): Size {
  return {
    width: Math.max(...lines.map(({ text }) => text.length)) * LABEL.charWidth + 2 * LABEL.padding,
    height: lines.length * LABEL.lineHeight + LABEL.padding,
  }
}

/** From a state back to itself, around its label, which lies below the box or to its right. */
function loop(node: Point, size: Size, { x, y, width, height }: Point & Size): string {
  const [right, bottom] = [node.x + size.width / 2, node.y + size.height / 2]
  if (y > bottom) {
    const [low, left, far] = [y + height / 2 + 2, x - width / 2 - 14, x + width / 2 + 14]
    return `M ${node.x - 30} ${bottom} C ${left} ${bottom + 6} ${left} ${low} ${x} ${low} C ${far} ${low} ${far} ${bottom + 6} ${node.x + 30} ${bottom + HEAD}`
  }
  const [far, high, low] = [x + width / 2 + 2, y - height / 2 - 12, y + height / 2 + 12]
  return `M ${right} ${node.y - 12} C ${right + 8} ${high} ${far} ${high} ${far} ${y} C ${far} ${low} ${right + 8} ${low} ${right + HEAD} ${node.y + 12}`
}

/** A line through the middles of the given points' segments, bent at the points; its head has the last bit of it. */
function smooth(points: Point[]): string {
  const text = ({ x, y }: Point) => `${x.toFixed(1)} ${y.toFixed(1)}`
  const middle = (a: Point, b: Point) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 })
  const [first, ...rest] = points
  const end = rest.at(-1)
  if (!first || !end) return ''
  const before = points.at(-2)!
  const pulled = 1 - HEAD / Math.max(HEAD, Math.hypot(end.x - before.x, end.y - before.y))
  const last = { x: before.x + (end.x - before.x) * pulled, y: before.y + (end.y - before.y) * pulled }
  const bends = rest.slice(0, -1).map((point, index) => `Q ${text(point)} ${text(middle(point, rest[index + 1]!))}`)
  return [`M ${text(first)}`, rest.length > 1 ? `L ${text(middle(first, rest[0]!))}` : '', ...bends, `L ${text(last)}`].filter(Boolean).join(' ')
}
