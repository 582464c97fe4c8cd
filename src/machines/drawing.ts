import type { Chart, Edge } from './chart.ts'

/** A chart as text: each state with its ways out, in the order in which the machine tries them. */
export function chartInWords({ name, states, edges, initial }: Chart): string {
  const creation = edges.filter((edge) => edge.from === null).map((edge) => `  ${labelOf(edge)} -> ${edge.to}`)
  const blocks = states.map((state) => {
    const ways = edges.filter((edge) => edge.from === state).map((edge) => `  ${labelOf(edge)} -> ${edge.to}`)
    return [`${state}${state === initial ? ' (initial)' : ''}`, ...ways].join('\n')
  })
  return [name, ...creation, '', blocks.join('\n\n')].join('\n')
}

/** A chart as a Mermaid state diagram. */
export function chartAsMermaid({ states, edges, initial }: Chart): string {
  const creation = edges.find((edge) => edge.from === null)
  return [
    'stateDiagram-v2',
    `  [*] --> ${initial}${creation ? `: ${creation.event}` : ''}`,
    ...edges.filter((edge) => edge.from !== null).map((edge) => `  ${edge.from} --> ${edge.to}: ${labelOf(edge)}`),
    ...states.filter((state) => !edges.some((edge) => edge.from === state)).map((state) => `  ${state} --> [*]`),
  ].join('\n')
}

function labelOf({ event, guard, actions }: Edge): string {
  return [event, guard === null ? '' : `[${guard}]`, actions.length > 0 ? `/ ${actions.join(', ')}` : ''].filter(Boolean).join(' ')
}
