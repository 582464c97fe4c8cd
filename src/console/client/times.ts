const STEPS = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
] as const

/** A length of time to about three digits: "84 ms", "1.52 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function duration(ms: number): string {
  if (ms < 0) return `-${duration(-ms)}`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(2)} s`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const whole = Math.round(ms / 1_000) * 1_000
  const step = STEPS.findIndex((candidate) => whole >= candidate.ms)
  const { unit, ms: size } = STEPS[step]!
  const next = STEPS[step + 1] ?? { unit: 's', ms: 1_000 }
  const rest = Math.floor((whole % size) / next.ms)
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${next.unit}` : ''}`
}

/** How long ago `instant` was at `now`, coarse enough not to flicker: "now", "12 s", "3 min", "5 h", "2 d". A future instant begins with "in". */
export function age(instant: string, now: number): string {
  const ms = now - Date.parse(instant)
  if (Number.isNaN(ms)) return ''
  if (Math.abs(ms) < 1_000) return 'now'
  const words = coarse(Math.abs(ms))
  return ms < 0 ? `in ${words}` : words
}

function coarse(ms: number): string {
  const step = STEPS.find((candidate) => ms >= candidate.ms) ?? { unit: 's', ms: 1_000 }
  return `${Math.floor(ms / step.ms)} ${step.unit}`
}

/** The instant in the reader's own time zone, to the millisecond. */
export function exact(instant: string): string {
  const date = new Date(instant)
  if (Number.isNaN(date.getTime())) return instant
  const day = date.toLocaleDateString('en-CA')
  return `${day} ${clock(instant)} ${zone(date)}`
}

/** The time of day to the millisecond: "14:03:07.120". */
export function clock(instant: string): string {
  const date = new Date(instant)
  return `${date.toLocaleTimeString('en-GB')}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

function zone(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  if (minutes === 0) return 'UTC'
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `UTC${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`
}

/** How often something happens: "12.3k/s", "4.1/s", "18/min", "3/h". */
export function rate(perSecond: number): string {
  const [value, unit] = perSecond >= 1 ? [perSecond, 's'] : perSecond >= 1 / 60 ? [perSecond * 60, 'min'] : [perSecond * 3_600, 'h']
  const digits = value < 10 ? 1 : 0
  return `${value >= 1_000 ? `${(value / 1_000).toFixed(1)}k` : String(Number(value.toFixed(digits)))}/${unit}`
}

/** A size to two or three digits: "812 B", "14 kB", "1.3 GB". */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = count
  let unit = 0
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_024
    unit += 1
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** A share: "97 %", "4.2 %", "0.03 %". */
export function percent(share: number): string {
  const value = share * 100
  return `${value >= 10 || value === 0 ? value.toFixed(0) : Number(value.toPrecision(2))} %`
}

/** A probability, no finer than it is known: "<1 %", "8 %", "75 %". */
export const chance = (share: number): string => (share > 0 && share < 0.01 ? '<1 %' : `${Math.round(share * 100)} %`)
