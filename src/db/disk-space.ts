import type { Interceptor } from 'slonik'
import { isDiskFull } from './errors.ts'

/** So long a refusal for want of room is told after it. */
const TOLD_MS = 60_000

let refusedAt = -Infinity

/** Remembers when PostgreSQL had no room for what this process wanted to write. */
export const noteFullDisk: Interceptor = {
  name: 'note-full-disk',
  queryExecutionError: (_context, _query, error) => {
    if (isDiskFull(error)) refusedAt = performance.now()
    return null
  },
}

/** Whether PostgreSQL refused to write something in the last minute because its disk is full. */
export const hasRefusedForSpace = (): boolean => performance.now() - refusedAt < TOLD_MS
