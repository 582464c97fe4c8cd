import { generator } from '#ai/chance.ts'
import type { RiskRow } from '#sla/risk-columns.ts'

const HOUR_S = 3_600
const TARGET_H = { urgent: 4, high: 8, medium: 24, low: 60 } as const
const SERVICES = { Network: 1.5, Email: 0.6, Payroll: 1, Laptops: 1.9, Access: 0.4 } as const
const START = Date.parse('2026-01-05T00:00:00Z')

/**
 * Cases as a service desk has them: how long one takes follows from its service, its priority, how busy the week is and
 * chance; each is looked at up to four times before it ends. Repeats from its seed.
 */
export function madeUpCases(cases: number, seed = 1): RiskRow[] {
  const chance = generator(seed)
  const pick = <Value>(of: readonly Value[]): Value => of[Math.floor(chance() * of.length)]!
  const rows: RiskRow[] = []
  for (let number = 0; number < cases; number += 1) {
    const started = START + number * 40 * 60_000 + chance() * HOUR_S * 1_000
    const priority = pick(Object.keys(TARGET_H) as (keyof typeof TARGET_H)[])
    const service = pick(Object.keys(SERVICES) as (keyof typeof SERVICES)[])
    const load = Math.round(10 + 8 * Math.sin(started / (7 * 24 * HOUR_S * 1_000)) + 6 * chance())
    const target = TARGET_H[priority] * HOUR_S
    const takes = target * SERVICES[service] * (0.3 + load / 25) * Math.exp(1.2 * (chance() - 0.5))
    for (const share of [0, 0.25, 0.5, 0.75]) {
      const elapsed = share * target
      if (elapsed > 0 && elapsed >= takes) break
      rows.push({
        case_id: `case ${number}`,
        observed_at: started + elapsed * 1_000,
        target_seconds: target,
        elapsed_seconds: elapsed,
        features: { priority, service, load: String(load), reopened: chance() < 0.1 ? '1' : '0' },
        breached: takes > target,
      })
    }
  }
  return rows
}
