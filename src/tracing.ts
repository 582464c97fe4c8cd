import type { Config } from './config.ts'
import type { Tracing, Warn } from './open-telemetry.ts'

let running: Tracing | null = null

/** How to trace; null where nobody wants it, and then nothing of the OpenTelemetry SDK is loaded. */
export const tracing = (): Tracing | null => running

/** Traces what this process does where OTEL_EXPORTER_OTLP_ENDPOINT says where to send it; before pools are opened and routes are made. */
export async function startTracing(config: Config, service: string, warn: Warn): Promise<void> {
  if (config.OTEL_EXPORTER_OTLP_ENDPOINT === undefined || running) return
  const { openTracing } = await import('./open-telemetry.ts')
  running = openTracing(config, service, warn)
}

/** Sends what is still here; a collector that does not answer is not waited for. */
export async function endTracing(): Promise<void> {
  await running?.end()
  running = null
}
