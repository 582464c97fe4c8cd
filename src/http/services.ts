import type { Config } from '#config.ts'
import type { Database } from '#db/pool.ts'
import type { Logger } from '#log.ts'
import type { GaugeReading } from './gauges.ts'
import type { Notifier } from './notifier.ts'
import type { AccountMails } from './account-mails.ts'
import type { Bearers } from './bearers.ts'
import type { FactorSeal } from './second-factor.ts'
import type { AccessTokens } from './tokens.ts'

/** What routes are given. */
export interface Services {
  config: Config
  database: Database
  log: Logger
  tokens: AccessTokens
  bearers: Bearers
  factorSeal: FactorSeal
  mails: AccountMails
  /** The API token of an id. */
  apiToken: (id: string) => string
  notifier: Notifier
  gauges: GaugeReading
}

/** The option with which every file of routes is registered. */
export interface RouteOptions {
  services: Services
}
