import { Age } from './marks.tsx'
import type { DatabaseHealth } from './shapes.ts'
import { Tile } from './tile.tsx'
import { bytes, duration } from './times.ts'

/** Beyond these a figure is no longer green. */
const LIMITS = { HORIZON_SECONDS: 60, DEAD_SHARE: 0.2, SKEW_MS: 1_000, WRAPAROUND: 0.5, BYTES_PER_ENTRY: 150, DAYS_AHEAD: 3, CONNECTION_SHARE: 0.8 }

/** How the database stands that everything stands on. */
export function DatabasePanel({ health: { server, clock, horizon, tables, indexes, partitions } }: { health: DatabaseHealth }) {
  const [oldest] = horizon
  const held = oldest?.seconds_old ?? 0
  return (
    <section class="card" aria-labelledby="database-title">
      <div class="card-head">
        <h2 id="database-title">Database</h2>
        <span class="faint">
          PostgreSQL {server.version}, up <Age at={server.started_at} />, {bytes(server.database_bytes)}
          {server.is_standby && ', a standby'}
        </span>
      </div>
      <ul class="tiles">
        <Tile
          name="Horizon held for"
          value={oldest ? duration(held * 1_000) : 'nobody holds it'}
          {...(oldest ? { note: `by ${oldest.held_by}` } : {})}
          tone={held > LIMITS.HORIZON_SECONDS ? 'retried' : 'done'}
          from="select * from database_horizon()"
        />
        <Tile
          name="Clock skew"
          value={`${clock.skew_ms} ms`}
          note={`known to ${clock.uncertainty_ms} ms`}
          tone={Math.abs(clock.skew_ms) > LIMITS.SKEW_MS ? 'failed' : 'done'}
          from="select clock_timestamp()"
        />
        <Tile
          name="Connections"
          value={`${server.connections} of ${server.connections_max}`}
          tone={server.connections / server.connections_max > LIMITS.CONNECTION_SHARE ? 'retried' : 'done'}
          from="pg_stat_database, atum_db_pool_connections"
        />
        <Tile
          name="Days of the log"
          value={`${partitions.days_ahead} ahead`}
          note={`${partitions.oldest ?? '?'} to ${partitions.newest ?? '?'}${partitions.stray_rows ? '; events lie outside of them' : ''}`}
          tone={partitions.stray_rows || partitions.days_ahead < LIMITS.DAYS_AHEAD ? 'failed' : 'done'}
          from="pg_inherits of job_events"
        />
        <Tile
          name="Way to wraparound"
          value={`${(server.wraparound_share * 100).toFixed(2)} %`}
          tone={server.wraparound_share > LIMITS.WRAPAROUND ? 'failed' : 'done'}
          from="max(age(datfrozenxid))"
        />
      </ul>
      <div class="table-scroll" tabIndex={0} role="group" aria-label="Tables">
        <table class="table">
          <caption>
            Tables <code>pg_stat_user_tables</code>
          </caption>
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col" class="number">
                Rows
              </th>
              <th scope="col" class="number">
                Dead rows
              </th>
              <th scope="col" class="number">
                Table
              </th>
              <th scope="col" class="number">
                Indexes
              </th>
              <th scope="col">Vacuumed</th>
            </tr>
          </thead>
          <tbody>
            {tables.map((table) => (
              <tr key={table.name}>
                <th scope="row" class="mono">
                  {table.name}
                </th>
                <td class="number">{table.live_rows.toLocaleString('en')}</td>
                <td class={`number${table.dead_rows > 10_000 && table.dead_rows > table.live_rows * LIMITS.DEAD_SHARE ? ' bad' : ''}`}>
                  {table.dead_rows.toLocaleString('en')}
                </td>
                <td class="number">{bytes(table.table_bytes)}</td>
                <td class="number">{bytes(table.index_bytes)}</td>
                <td>{table.last_vacuum_at ? <Age at={table.last_vacuum_at} suffix=" ago" /> : 'not yet'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="table-scroll" tabIndex={0} role="group" aria-label="Indexes">
        <table class="table">
          <caption>
            Indexes: a bloated one has many bytes an entry <code>pg_relation_size, pg_class.reltuples</code>
          </caption>
          <thead>
            <tr>
              <th scope="col">Index</th>
              <th scope="col">Of</th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col" class="number">
                Entries
              </th>
              <th scope="col" class="number">
                Bytes an entry
              </th>
              <th scope="col" class="number">
                Scans
              </th>
            </tr>
          </thead>
          <tbody>
            {indexes.map((index) => (
              <tr key={index.name}>
                <th scope="row" class="mono">
                  {index.name}
                </th>
                <td class="mono">{index.table_name}</td>
                <td class="number">{bytes(index.bytes)}</td>
                <td class="number">{index.entries.toLocaleString('en')}</td>
                <td class={`number${(index.bytes_per_entry ?? 0) > LIMITS.BYTES_PER_ENTRY ? ' bad' : ''}`}>
                  {index.bytes_per_entry === null ? 'too few' : index.bytes_per_entry.toFixed(0)}
                </td>
                <td class="number">{index.scans.toLocaleString('en')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
