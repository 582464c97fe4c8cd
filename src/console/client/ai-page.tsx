import { ApiError, read } from './api.ts'
import { Age, Blank, Fault, Loading } from './marks.tsx'
import { Plot } from './plot.tsx'
import { usePolling } from './polling.ts'
import { ticketAddress, withQuery } from './route.ts'
import type { AiQuality, Egress, FieldQuality, Page } from './shapes.ts'
import { spoken } from './states.ts'
import { bytes, duration, percent } from './times.ts'

const QUALITY_MS = 30_000
const DAYS = [7, 28, 90] as const
const USUAL = 28
const CHART_HEIGHT = 170
const EGRESS_SHOWN = 50
const WEEK_MS = 7 * 86_400_000

/** What the models' suggestions were worth: what people did with them, how sure they were and how right. */
export function AiPage({ query, role }: { query: URLSearchParams; role: string | undefined }) {
  const days = DAYS.find((each) => String(each) === query.get('days')) ?? USUAL
  const { data, error } = usePolling(`ai ${days}`, QUALITY_MS, (signal) => read<AiQuality>(`/ai/quality?days=${days}`, signal))
  if (!data) {
    const isMissing = error instanceof ApiError && error.status === 404
    return (
      <div class="page">
        {isMissing ? (
          <Blank title="This server does not measure its suggestions" />
        ) : error ? (
          <Fault error={error} doing="read what suggestions were worth" />
        ) : (
          <Loading rows={8} what="the quality" />
        )}
      </div>
    )
  }
  const drift = data.weekly.toReversed()
  const drifting = [...new Set(drift.flatMap(({ fields }) => fields.map(({ field }) => field)))].toSorted()
  const scored = data.fields.filter(({ calibration }) => calibration.length > 0)
  return (
    <div class="page">
      <section class="card" aria-labelledby="ai-title">
        <div class="card-head">
          <h1 id="ai-title">AI quality</h1>
          <span class="card-space" />
          <nav class="tabs" aria-label="How far back">
            {DAYS.map((each) => (
              <a
                key={each}
                class="tab"
                href={withQuery(query, { days: each === USUAL ? null : String(each) })}
                aria-current={each === days ? 'true' : undefined}
              >
                {each} days
              </a>
            ))}
          </nav>
        </div>
        {data.fields.length > 0 ? (
          <FieldTable fields={data.fields} />
        ) : (
          <Blank title="Nothing was suggested in this time">Each new ticket is triaged: the figures come with the tickets.</Blank>
        )}
      </section>
      {data.fields.length > 0 && (
        <section class="card" aria-labelledby="calibration-title">
          <div class="card-head">
            <h2 id="calibration-title">How sure, and how right</h2>
            <span class="faint">on the grey line a suggestion that is 70 % sure is right in 70 of 100 cases; bars are how many were so sure</span>
          </div>
          {scored.length === 0 ? (
            <Blank title="Of none is known yet whether it was right">
              A ticket that is closed tells it: what it has then is compared with what was suggested.
            </Blank>
          ) : (
            <div class="charts">
              {scored.map((field) => (
                <Calibration key={field.field} field={field} />
              ))}
            </div>
          )}
        </section>
      )}
      <section class="card" aria-labelledby="drift-title">
        <div class="card-head">
          <h2 id="drift-title">Week by week</h2>
          {drift.length >= 2 && <span class="faint">accepted is of what was decided on, right of what is known at the end of the week (UTC)</span>}
        </div>
        {drift.length < 2 ? (
          <Blank title="Drift shows after two weeks">The figures of each full week are kept, and then compared here.</Blank>
        ) : (
          <div class="charts">
            {drifting.map((field) => (
              <Drift key={field} field={field} weeks={drift} />
            ))}
          </div>
        )}
      </section>
      <ModelUse quality={data} days={days} />
      {(role === 'admin' || role === 'manager') && <EgressPanel />}
    </div>
  )
}

const share = (value: number | null): string => (value === null ? '–' : percent(value))

function FieldTable({ fields }: { fields: FieldQuality[] }) {
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label="By field">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Field</th>
            {['Predictions', 'Offered', 'Accepted', 'Edited', 'Rejected', 'Expired', 'Open', 'Acceptance', 'Right', 'Calibration error', 'Decided in'].map(
              (head) => (
                <th key={head} scope="col" class="number">
                  {head}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr key={field.field}>
              <th scope="row">{spoken(field.field)}</th>
              {[field.predictions, field.offered, field.accepted, field.edited, field.rejected, field.expired, field.open].map((count, index) => (
                <td key={index} class="number">
                  {count.toLocaleString('en')}
                </td>
              ))}
              <td class="number">{share(field.acceptance_rate)}</td>
              <td class="number" title={`of ${field.scored} of which is known by now whether they were right`}>
                {share(field.accuracy)}
              </td>
              <td class="number">{share(field.calibration_error)}</td>
              <td class="number">{field.median_seconds_to_decision === null ? '–' : duration(field.median_seconds_to_decision * 1_000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Ten bins of confidence: the share that was right in each, and how many fell into it. */
function Calibration({ field: { field, calibration, scored } }: { field: FieldQuality }) {
  const most = Math.max(...calibration.map(({ count }) => count))
  const bins = Array.from({ length: 10 }, (_, n) => calibration.find(({ from }) => Math.round(from * 10) === n))
  const x = bins.map((bin, n) => bin?.confidence ?? n / 10 + 0.05)
  const label = `${spoken(field)}: ${calibration.map(({ confidence, accuracy, count }) => `at ${percent(confidence)} sure ${percent(accuracy)} right, ${count}`).join('; ')}`
  return (
    <figure>
      <figcaption>
        {spoken(field)} <span class="faint number">{scored} scored</span>
      </figcaption>
      <Plot
        plain
        height={CHART_HEIGHT}
        label={label}
        range={[0, 1]}
        tell={percent}
        below={{ name: 'sure', tell: percent, steps: [0.1, 0.2, 0.5], range: [0, 1] }}
        x={x}
        series={[
          {
            label: 'how many',
            values: bins.map((bin) => (bin ? bin.count / most : null)),
            tone: 'ended',
            bars: true,
            told: (share) => String(Math.round(share * most)),
          },
          { label: 'as right as sure', values: x, tone: 'ended', dashed: true },
          { label: 'right', values: bins.map((bin) => bin?.accuracy ?? null), tone: 'running', dots: true },
        ]}
      />
    </figure>
  )
}

/** Weeks apart of two Mondays, as they stand in the API. */
const weeksBetween = (first: string, week: string): number => (Date.parse(week) - Date.parse(first)) / WEEK_MS

function Drift({ field, weeks }: { field: string; weeks: AiQuality['weekly'] }) {
  const of = (week: AiQuality['weekly'][number]) => week.fields.find((each) => each.field === field)
  const first = weeks[0]!.week
  const told = weeks.flatMap((week) => {
    const quality = of(week)
    return quality ? `${week.week} accepted ${share(quality.acceptance_rate)}, right ${share(quality.accuracy)}` : []
  })
  return (
    <figure>
      <figcaption>
        {spoken(field)} <span class="faint number">{told.length} weeks</span>
      </figcaption>
      <Plot
        plain
        height={CHART_HEIGHT}
        label={`${spoken(field)}, week by week: ${told.join('; ')}`}
        tell={percent}
        range={[0, 1]}
        below={{ name: 'week of', tell: (weeksOn) => monday(first, weeksOn), steps: [1, 2, 4, 8, 13, 26, 52] }}
        x={weeks.map(({ week }) => weeksBetween(first, week))}
        series={[
          { label: 'accepted', values: weeks.map((week) => of(week)?.acceptance_rate ?? null), tone: 'done', marked: true },
          { label: 'right', values: weeks.map((week) => of(week)?.accuracy ?? null), tone: 'running', marked: true },
        ]}
      />
    </figure>
  )
}

/** The day on which a week begins, which is the server's: "23 Nov". */
const monday = (first: string, weeksOn: number): string =>
  new Date(Date.parse(first) + weeksOn * WEEK_MS).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

function ModelUse({ quality: { language_model: use, kb_suggestions: articles, labels }, days }: { quality: AiQuality; days: number }) {
  return (
    <section class="card" aria-labelledby="use-title">
      <div class="card-head">
        <h2 id="use-title">Articles, labels, language model</h2>
        <span class="faint">in the last {days} days</span>
      </div>
      <dl class="figures">
        {(
          [
            ['Articles suggested', articles.suggested.toLocaleString('en')],
            ['that help', articles.voted === 0 ? 'no vote yet' : `${share(articles.helpful_rate)} of ${articles.voted} votes`],
            [
              'Labels by agents',
              Object.entries(labels)
                .map(([field, count]) => `${field} ${count}`)
                .join(', ') || 'none',
            ],
            ['Calls of a language model', use.calls === 0 ? 'none: nothing left this installation' : `${use.answered} of ${use.calls} answered`],
            ...(use.calls > 0 ? [['Left for it', `${bytes(use.bytes)}, ${use.input_tokens + use.output_tokens} tokens`]] : []),
          ] as [string, string][]
        ).map(([name, value]) => (
          <div key={name} class="figure">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** The ledger of what left: each text as it left, redacted. */
function EgressPanel() {
  const { data, error } = usePolling('egress', QUALITY_MS, (signal) => read<Page<Egress>>(`/ai/egress?limit=${EGRESS_SHOWN}`, signal))
  return (
    <section class="card" aria-labelledby="egress-title">
      <div class="card-head">
        <h2 id="egress-title">What left for a language model</h2>
      </div>
      {data?.items.length === 0 && <Blank title="Nothing has left this installation" />}
      {data && data.items.length > 0 && (
        <ul class="lines">
          {data.items.map((egress) => (
            <li key={egress.id} class="line">
              <span class="number faint">
                <Age at={egress.at} suffix=" ago" />
              </span>
              {egress.ticket_id && (
                <a class="link" href={ticketAddress(egress.ticket_id)}>
                  its ticket
                </a>
              )}
              <span>{spoken(egress.purpose)}</span>
              <span class="mono">{egress.model}</span>
              <span class="faint">
                {egress.endpoint}, {bytes(egress.bytes)}, {egress.outcome}
              </span>
              <details class="json egress">
                <summary>the text, with {Object.values(egress.redactions).reduce((sum, count) => sum + count, 0)} redactions</summary>
                <pre tabIndex={0}>{egress.redacted_text}</pre>
              </details>
            </li>
          ))}
        </ul>
      )}
      {!data && (error ? <Fault error={error} doing="read the ledger" /> : <Loading what="the ledger" />)}
    </section>
  )
}
