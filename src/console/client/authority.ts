/** Who is offered what. The server decides; this only spares a person buttons that would be refused. */
const JOB_READERS: ReadonlySet<string> = new Set(['operator', 'admin', 'manager'])
const JOB_MOVERS: ReadonlySet<string> = new Set(['operator', 'admin'])
const QUEUE_MOVERS: ReadonlySet<string> = new Set(['operator'])

/** `role` is undefined until it is known. */
export const mayReadJobs = (role: string | undefined): boolean => role !== undefined && JOB_READERS.has(role)
export const mayMoveJobs = (role: string | undefined): boolean => role !== undefined && JOB_MOVERS.has(role)
export const mayDrainWorkers = (role: string | undefined): boolean => role === 'operator'
export const mayMoveQueues = (role: string | undefined): boolean => role !== undefined && QUEUE_MOVERS.has(role)
