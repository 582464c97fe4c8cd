import { jobAddress } from './route.ts'
import type { Actor, Worker } from './shapes.ts'
import { spoken, toneOf } from './states.ts'
import { duration } from './times.ts'

/** The states in which a worker's row is somebody who lives. */
export const ALIVE: ReadonlySet<string> = new Set(['active', 'draining'])

const JOB = /^job:(\d+)$/
/** Where the tree is one of several panels: so many jobs below a queue, the rest as a number. */
const JOBS_IN_BRIEF = 6

/** The actors of a worker as of its last heartbeat, each below its supervisor. `brief` leaves out what one can look up. */
export function ActorTree({ tree, brief = false }: { tree: Worker['actor_tree']; brief?: boolean }) {
  if (tree === null) return <p class="faint">Its actors serve all organisations: they are for the operator to see.</p>
  if (!('id' in tree)) return <p class="faint">It has reported no actors yet.</p>
  return (
    <ul class="tree">
      <ActorNode actor={tree as Actor} brief={brief} />
    </ul>
  )
}

function ActorNode({ actor, brief }: { actor: Actor; brief: boolean }) {
  const { children = [], state, restart_budget: budget } = actor
  const jobs = children.filter(({ id }) => JOB.test(id))
  const others = children.filter(({ id }) => !JOB.test(id))
  return (
    <li>
      <span class={`actor tone-${toneOf(typeof state === 'string' ? state : '')}`}>
        <span class="dot" />
        <span class="mono">{actor.id}</span>
        {typeof state === 'string' && <span class="actor-state">{spoken(state)}</span>}
        {actor.jobs !== undefined && <span class="actor-state">{`${actor.jobs}${actor.window === undefined ? '' : ` of ${actor.window}`} jobs`}</span>}
        {actor.restarts ? <span class="actor-restarts">{actor.restarts === 1 ? '1 restart' : `${actor.restarts} restarts`}</span> : null}
        {actor.crashes ? <span class="actor-restarts">{actor.crashes === 1 ? '1 crash' : `${actor.crashes} crashes`}</span> : null}
        {budget && !brief && (
          <span class="actor-budget" title="With more crashes than this the worker itself fails, and is started again from outside">
            may crash {budget.crashes} times in {duration(budget.withinMs)}
          </span>
        )}
      </span>
      {others.length > 0 && (
        <ul>
          {others.map((child) => (
            <ActorNode key={child.id} actor={child} brief={brief} />
          ))}
        </ul>
      )}
      {jobs.length > 0 && <JobActors jobs={jobs} shown={brief ? JOBS_IN_BRIEF : jobs.length} />}
    </li>
  )
}

/** The actors of jobs, side by side: there may be hundreds below one queue. */
function JobActors({ jobs, shown }: { jobs: Actor[]; shown: number }) {
  return (
    <ul class="tree-jobs">
      {jobs.slice(0, shown).map(({ id, state }) => (
        <li key={id} class={`actor tone-${toneOf(typeof state === 'string' ? state : '')}`}>
          <span class="dot" />
          <a class="mono" href={jobAddress(JOB.exec(id)![1]!)}>
            {id}
          </a>
          {typeof state === 'string' && <span class="actor-state">{spoken(state)}</span>}
        </li>
      ))}
      {jobs.length > shown && <li class="actor actor-state">and {jobs.length - shown} more</li>}
    </ul>
  )
}
