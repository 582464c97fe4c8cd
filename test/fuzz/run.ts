import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

/** Sends many generated requests to a service of its own: npm run fuzz -- --requests 20000 --seed 7 */
const { values } = parseArgs({ options: { requests: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } } })
const [requests, seed] = [Number(values.requests), Number(values.seed)]
if (!Number.isInteger(requests) || requests < 1 || !Number.isInteger(seed)) throw new Error('--requests and --seed must be whole numbers')
const { status } = spawnSync(
  process.execPath,
  ['--conditions=development', '--test', '--test-global-setup=test/support/cluster.ts', 'test/http/fuzz.test.ts'],
  { stdio: 'inherit', env: { ...process.env, FUZZ_REQUESTS: String(requests), FUZZ_SEED: String(seed) } },
)
process.exitCode = status ?? 1
