import type { Config } from '#config.ts'
import type { Database } from '#db/pool.ts'
import type { Logger } from '#log.ts'
import type { GaugeReading } from './gauges.ts'
import type { Notifier } from './notifier.ts'
import type { AccessTokens } from './tokens.ts'

/** What routes are given. */
export interface Services {
  config: Config
  database: Database
  log: Logger
  tokens: AccessTokens
  notifier: Notifier
  gauges: GaugeReading
}

/** The option with which every file of routes is registered. */
export interface RouteOptions {
  services: Services
}
