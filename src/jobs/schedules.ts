import type { ScheduleDefinition } from '#db/schedules.ts'

/** What runs by the clock (UTC). */
export const SCHEDULES: readonly ScheduleDefinition[] = []
