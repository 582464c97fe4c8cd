/** A worker as a process of its own, to be killed by tests: `node worker-process.ts OWNER_URL`. */
import { startWorker } from '#actors/worker.ts'
import { readConfig } from '#config.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import { QUICK, quiet } from './engine.ts'

const ownerUrl = process.argv[2]!
const database = await openDatabase(serviceUrls(ownerUrl), { size: 10, name: 'test worker' })
const worker = await startWorker({ config: readConfig({ ...QUICK, ...process.env }), database, directUrl: ownerUrl, log: quiet, schedules: [] })
process.on('SIGTERM', () => {
  void worker.drain().then(() => database.end())
})
process.send?.({ worker: worker.id })
