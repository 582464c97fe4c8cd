import { z } from 'zod'
import type { Edge } from './machine-things.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** One edge of one actor's machine: how often it was taken, by the class of how long the actor had stood before. */
export interface ActorMove {
  machine: string
  /** Which of its kind: the name of a queue, empty for the worker itself. */
  actor: string
  event: string
  from: string
  to: string
  /** Counts by class, which src/machines/dwell.ts says; each move is in one of them. */
  stays: Record<string, number>
}

/** Writes how the actors of a worker moved since this was last written. They are figures: their commit is not waited for. */
export async function insertActorMoves(db: CommonQueryMethods, worker: number, moves: readonly ActorMove[]): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
    insert into actor_moves (worker, moves) select ${worker}, ${JSON.stringify(moves)}::jsonb from unhurried`)
}

const countedMove = z.object({ event: z.string(), from_state: z.string(), to_state: z.string(), stay: z.number(), count: z.number() })
export type CountedMove = z.infer<typeof countedMove>

/** How often the actors of a machine took each edge in the last `seconds`, by the class of their stay before. */
export async function countActorMoves(db: CommonQueryMethods, machine: string, seconds: number): Promise<readonly CountedMove[]> {
  return db.any(sql.type(countedMove)`
    select move ->> 'event' as event, move ->> 'from' as from_state, move ->> 'to' as to_state, stay.key::int as stay, sum(stay.value::int)::int8 as count
      from actor_moves, jsonb_array_elements(moves) as move, jsonb_each_text(move -> 'stays') as stay
     where at > now() - make_interval(secs => ${seconds}) and move ->> 'machine' = ${machine}
     group by 1, 2, 3, 4`)
}

const actorMover = z.object({ worker: z.number(), name: z.string(), actor: z.string(), count: z.number(), at: z.date() })
export type ActorMover = z.infer<typeof actorMover>

/** Whose actors took an edge in the last `seconds`, and how often; who did last comes first. */
export async function listActorMovers(db: CommonQueryMethods, machine: string, edge: Edge, seconds: number, limit: number): Promise<readonly ActorMover[]> {
  return db.any(sql.type(actorMover)`
    select worker, workers.name, move ->> 'actor' as actor, sum(stay.value::int)::int8 as count, max(actor_moves.at) as at
      from actor_moves join workers on workers.id = worker, jsonb_array_elements(moves) as move, jsonb_each_text(move -> 'stays') as stay
     where actor_moves.at > now() - make_interval(secs => ${seconds})
       and move ->> 'machine' = ${machine} and move ->> 'event' = ${edge.event} and move ->> 'from' = ${edge.from_state} and move ->> 'to' = ${edge.to_state}
     group by worker, workers.name, 3 order by at desc, worker desc, actor limit ${limit}`)
}

/** As long as a look at them goes back, and a day. */
const KEEP_DAYS = 8

/** Moves of actors that nobody looks at any more. @returns how many rows went */
export async function removeOldActorMoves(db: CommonQueryMethods, limit: number): Promise<number> {
  return db.oneFirst(sql.type(z.object({ count: z.number() }))`
    with gone as (
      delete from actor_moves where id in (select id from actor_moves where at < now() - make_interval(days => ${KEEP_DAYS}) order by at limit ${limit}) returning id
    ) select count(*) from gone`)
}
