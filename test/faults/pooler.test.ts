import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { notifyWorkers } from '#db/jobs.ts'
import { inOrganization, openDatabase } from '#db/pool.ts'
import { isPooled } from '#db/pooler.ts'
import { serviceUrls } from '#db/logins.ts'
import { newJob } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { testDatabase, until } from '../support/database.ts'
import { testWorker, typesOf } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { hasPooler, startPooler } from './pooler.ts'
import { assertAllOnce, countOf } from './support.ts'

/** Far fewer than the pools of two workers and the enqueuers would open. */
const CONNECTIONS = 4
const JOBS_EACH = 50

const skip = hasPooler ? false : 'there is no /usr/sbin/pgbouncer here (Debian: apt-get install pgbouncer)'

const direct = await testDatabase()

test('through PgBouncer in transaction mode, one worker listening past it and one that polls: all jobs are done once', { skip }, async (t) => {
  const urls = await startPooler(t, direct.ownerUrl, CONNECTIONS)
  assert.deepEqual([await isPooled(urls.system), await isPooled(serviceUrls(direct.ownerUrl).system)], [true, false])
  const pooled = await openDatabase(urls, { size: 10, name: 'pooled' })
  t.after(() => pooled.end())
  const organizations = await Promise.all([1, 2, 3, 4].map(() => createOrganization(pooled)))
  // A job of either ends when both have begun one.
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const typesFor = (worker: 0 | 1) =>
    typesOf({
      ...probe,
      run: async (job) => {
        begun[worker]!.resolve()
        await Promise.all(begun.map(({ promise }) => promise))
        return probe.run(job as never)
      },
    })
  const workers = [
    await testWorker(direct, { database: pooled, jobTypes: typesFor(0) }),
    await testWorker(direct, { database: pooled, directUrl: undefined, jobTypes: typesFor(1) }),
  ]
  t.after(() => Promise.all(workers.map((worker) => worker.drain())))

  const ids = (
    await Promise.all(
      organizations.flatMap(({ id }) =>
        [1, 2].map(() =>
          inOrganization(pooled.app, id, (tx) =>
            enqueueJobs(
              tx,
              Array.from({ length: JOBS_EACH }, (_, n) => newJob(probe, id, { marker: 'pooled', sleep_ms: n % 5, fail_times: n % 10 === 0 ? 1 : 0 })),
            ),
          ),
        ),
      ),
    )
  ).flat()
  await notifyWorkers(pooled.system, JSON.stringify({ queues: ['default'] }))
  await until(async () => (await countOf(direct, 'done')) === ids.length, 'all jobs are done')

  await assertAllOnce(
    direct,
    ids.map((id) => id!),
  )
  const shares = await direct.owner(`select worker, count(*)::int as jobs from job_events where event = 'SUCCEED' group by worker`)
  assert.equal(shares.length, 2, 'both workers had their share')
  const strays = await direct.owner(
    `select 1 from probe_effects effect join job_queue job on job.id = job_id where effect.organization_id is distinct from job.organization_id`,
  )
  assert.deepEqual(strays, [], 'no effect went to another organisation')
  const opened = await direct.owner(
    `select 1 from pg_stat_activity where datname = current_database() and usename = 'atum_system' and application_name = 'pooled'`,
  )
  assert.ok(opened.length > 0 && opened.length <= CONNECTIONS, `the workers shared ${opened.length} connections`)
})
