import type { CommonQueryMethods } from '#db/pool.ts'

/** Whoever can read what the bound organisation has: a running job, a request. */
export interface Reader {
  read<T>(work: (db: CommonQueryMethods) => Promise<T>): Promise<T>
}
