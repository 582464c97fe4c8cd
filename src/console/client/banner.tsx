import { useConnection, useNow } from './polling.ts'
import { duration } from './times.ts'

/** Says that the API is gone, since when, and that what is shown is old. The polls go on asking, ever more slowly. */
export function Banner() {
  const connection = useConnection()
  const now = useNow(Date.now)
  if (connection.up) return null
  const away = Math.max(0, Math.floor((now - connection.since) / 1_000) * 1_000)
  return (
    <div class="banner" role="alert">
      <span class="banner-dot" />
      <p>
        <strong>{connection.why}</strong> What you see is as it was{away >= 1_000 && <span aria-hidden="true"> {duration(away).replace(/\.\d+/, '')} ago</span>}
        . The console keeps asking and goes on by itself.
      </p>
    </div>
  )
}
