import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import type { Engine } from '#actors/engine.ts'
import { heartbeatService } from '#actors/heartbeat.ts'
import { Leases, newestSerial } from '#actors/leases.ts'
import type { MoveLog } from '#actors/move-log.ts'
import type { Doubt, QueueSupervisor } from '#actors/supervisor.ts'
import { leaseJobs, readyLanes } from '#db/job-claims.ts'
import { registerWorker } from '#db/workers.ts'
import { testDatabase } from '../support/database.ts'
import { enqueueProbes, jobOf } from '../support/engine.ts'

const database = await testDatabase()

test('a lease that nobody knows of is asked for until it is a claim, however long somebody has the row of its job locked', async (t) => {
  const worker = await registerWorker(database.system, { name: 'w', host: 'here', pid: 1, version: '0', queues: ['default'] })
  const [free, hidden] = await enqueueProbes(database, 2)
  const lanes = (await readyLanes(database.system, 'default', 10)).map((lane) => ({ ...lane, after_us: lane.head_us, limit: 10 }))
  new Leases().begin()
  await leaseJobs(database.system, { queue: 'default', worker, lanes, serial: newestSerial(), ended: [] })
  const hanging = new pg.Client({ connectionString: database.ownerUrl })
  await hanging.connect()
  t.after(() => hanging.end())
  await hanging.query('begin')
  await hanging.query('select from job_queue where id = $1 for update', [hidden])
  // The answer to that claim was lost so long ago that it is asked for a last time.
  const overdue = (): Doubt => ({ since: performance.now() - 60_000, asked: true })
  const supervisor = {
    doubt: overdue() as Doubt | null,
    suspects: new Set<number>(),
    crew: { leases: new Leases(), claimedIds: [], holds: () => false },
  } as unknown as QueueSupervisor
  const heart = { tree: () => null, supervisors: () => [supervisor], moves: { take: () => [] } as unknown as MoveLog, declaredLost() {}, drainRequested() {} }
  const beat = () => heartbeatService(heart).runOnce({ database } as unknown as Engine, worker)

  await beat()
  assert.deepEqual([(await jobOf(database, free!))['status'], (await jobOf(database, hidden!))['status']], ['claimed', 'queued'])
  assert.ok(supervisor.doubt, 'one job is not claimed yet')
  await hanging.query('commit')
  supervisor.doubt = overdue()
  await beat()
  assert.equal((await jobOf(database, hidden!))['status'], 'claimed')
  assert.ok(supervisor.suspects.has(hidden!))
  assert.equal(supervisor.doubt, null)
  assert.deepEqual(await database.owner('select * from job_leases'), [])
})
