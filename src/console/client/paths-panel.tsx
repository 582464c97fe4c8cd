import { read } from './api.ts'
import { Blank, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { jobAddress } from './route.ts'
import type { MinedPaths } from './shapes.ts'
import { duration, percent } from './times.ts'

const PATHS_MS = 10_000
const RARE_SHOWN = 12
/** A way that fewer than this share of the jobs took is rare. */
const RARE_SHARE = 0.05

/** The ways through the machine that few jobs took: where faults hide that no average shows. */
export function PathsPanel({ window }: { window: number }) {
  const { data, error } = usePolling(`paths ${window}`, PATHS_MS, (signal) => read<MinedPaths>(`/machines/job/paths?window=${window}`, signal))
  const rare = data?.items.filter(({ share }) => share < RARE_SHARE).slice(0, RARE_SHOWN) ?? []
  const usual = data?.items.filter(({ share }) => share >= RARE_SHARE).toReversed() ?? []
  return (
    <section class="card" aria-labelledby="paths-title">
      <div class="card-head">
        <h2 id="paths-title">Paths</h2>
        {data && (
          <span class="faint">
            of {data.jobs.toLocaleString('en')} jobs that began and ended in the last {duration(data.window_seconds * 1_000)}
            {data.sampled_every > 1 && `, one in ${data.sampled_every} looked at`}
          </span>
        )}
      </div>
      {data?.items.length === 0 && <Blank title="No job lived its whole life in this time">Look further back, or send some probes.</Blank>}
      {data && data.items.length > 0 && (
        <div class="table-scroll" tabIndex={0} role="group" aria-label="Paths">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Path</th>
                {['Jobs', 'Share', 'p50', 'p95'].map((head) => (
                  <th key={head} scope="col" class="number">
                    {head}
                  </th>
                ))}
                <th scope="col">Look at</th>
              </tr>
            </thead>
            <PathRows title="Rare" items={rare} />
            <PathRows title="Usual" items={usual} />
          </table>
        </div>
      )}
      {!data && (error ? <Fault error={error} doing="read the paths" /> : <Loading what="the paths" />)}
    </section>
  )
}

function PathRows({ title, items }: { title: string; items: MinedPaths['items'] }) {
  if (items.length === 0) return null
  return (
    <tbody>
      <tr>
        <th scope="rowgroup" colSpan={6} class="table-group">
          {title}
        </th>
      </tr>
      {items.map(({ events, jobs, share, p50_ms, p95_ms, example_jobs }) => (
        <tr key={events.join()}>
          <td class="path mono">{folded(events)}</td>
          <td class="number">{jobs.toLocaleString('en')}</td>
          <td class="number">{percent(share)}</td>
          <td class="number">{duration(p50_ms)}</td>
          <td class="number">{duration(p95_ms)}</td>
          <td class="number-links">
            {example_jobs.map((id) => (
              <a key={id} class="link number" href={jobAddress(id)}>
                #{id}
              </a>
            ))}
          </td>
        </tr>
      ))}
    </tbody>
  )
}

/** A way in words, with what repeats written once: "ENQUEUE (CLAIM START FAIL) x2 CLAIM START SUCCEED". */
export function folded(events: readonly string[]): string {
  const words: string[] = []
  for (let at = 0; at < events.length;) {
    const { length, times } = longestRepeat(events, at)
    const turn = events.slice(at, at + length).join(' ')
    words.push(times === 1 ? turn : length === 1 ? `${turn} ×${times}` : `(${turn}) ×${times}`)
    at += length * times
  }
  return words.join(' → ')
}

/** The repetition that begins at `at` and covers the most events; one event, once, where nothing repeats. */
function longestRepeat(events: readonly string[], at: number): { length: number; times: number } {
  let best = { length: 1, times: 1 }
  for (let length = 1; at + 2 * length <= events.length; length += 1) {
    let times = 1
    while (isRepeated(events, at, length, times)) times += 1
    if (times > 1 && length * times > best.length * best.times) best = { length, times }
  }
  return best
}

const isRepeated = (events: readonly string[], at: number, length: number, times: number): boolean =>
  at + length * (times + 1) <= events.length && Array.from({ length }, (_, n) => n).every((n) => events[at + n] === events[at + length * times + n])
