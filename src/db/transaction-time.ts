import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** The time of the transaction by the database's clock, in milliseconds since 1970: what its statements mean by now(). */
export async function transactionTime(tx: CommonQueryMethods): Promise<number> {
  return tx.oneFirst(sql.type(z.object({ ms: z.number() }))`select (extract(epoch from now()) * 1000)::float8 as ms`)
}
