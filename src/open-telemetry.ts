import { hostname } from 'node:os'
import { context, diag, DiagLogLevel, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import type { Config } from './config.ts'
import { VERSION } from './version.ts'

const LAST_SPANS_MS = 2_000
const HEADER = 'traceparent'

/** What is told of something that takes time. */
export interface Happening {
  kind: 'server' | 'producer' | 'consumer' | 'client'
  attributes?: Attributes
  /** A W3C traceparent that came from outside: it continues that trace. Undefined: whatever happens here now is its cause; null: it begins a trace. */
  parent?: string | null
}

/** Something that takes time and is being traced. */
export interface Happened {
  /** Runs `work` as a part of it. */
  run<T>(work: () => T): T
  /** By which another process continues its trace. */
  traceparent: string
  end(attributes?: Attributes, fault?: string): void
}

/** What is said of a collector that does not take spans. */
export type Warn = (facts: object, message: string) => void

export interface Tracing {
  open(name: string, happening: Happening): Happened
  /** Whether what happens now is part of something traced. */
  isWithin(): boolean
  /** What a log line carries of it. */
  fields(): { trace_id?: string; span_id?: string }
  end(): Promise<void>
}

const KINDS = { server: SpanKind.SERVER, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER, client: SpanKind.CLIENT }

/**
 * Traces by the OpenTelemetry SDK, sent by OTLP over HTTP. The exporter reads further settings of its own from the
 * environment, as OpenTelemetry names them: OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION and the like. The provider is
 * not made the global one: Slonik would fill it with a span for each of its interceptors, in every statement.
 */
export function openTracing(config: Config, service: string, warn: Warn): Tracing {
  const say = (message: string, ...more: unknown[]) => warn({ more }, `tracing: ${message}`)
  diag.setLogger({ error: say, warn: say, info: say, debug: say, verbose: say }, DiagLogLevel.WARN)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  const exporter = new OTLPTraceExporter()
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': service,
      'service.version': VERSION,
      'service.instance.id': `${hostname()}:${process.pid}`,
      'host.name': hostname(),
      'process.pid': process.pid,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.OTEL_TRACES_SAMPLER_ARG) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: config.OTEL_BSP_SCHEDULE_DELAY })],
  })
  const tracer = provider.getTracer('atum-desk', VERSION)
  return {
    open: (name, happening) => opened(tracer, name, happening),
    isWithin: () => trace.getActiveSpan() !== undefined,
    fields: () => {
      const active = trace.getActiveSpan()?.spanContext()
      return active ? { trace_id: active.traceId, span_id: active.spanId } : {}
    },
    end: async () => {
      const patience = new Promise((resolve) => setTimeout(resolve, LAST_SPANS_MS).unref())
      await Promise.race([provider.shutdown().catch((error: unknown) => warn({ err: error }, 'the last spans could not be sent')), patience])
    },
  }
}

function opened(tracer: Tracer, name: string, { kind, attributes = {}, parent }: Happening): Happened {
  const cause = parent === undefined ? context.active() : causeOf(parent)
  const span = tracer.startSpan(name, { kind: KINDS[kind], attributes }, cause)
  const within = trace.setSpan(cause, span)
  return {
    run: (work) => context.with(within, work),
    traceparent: traceparentOf(within),
    end: (more = {}, fault) => endOf(span, more, fault),
  }
}

function causeOf(traceparent: string | null): Context {
  return traceparent === null ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { [HEADER]: traceparent })
}

function traceparentOf(within: Context): string {
  const carrier: Record<string, string> = {}
  propagation.inject(within, carrier)
  return carrier[HEADER]!
}

function endOf(span: Span, attributes: Attributes, fault: string | undefined): void {
  span.setAttributes(attributes)
  if (fault !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: fault })
  span.end()
}
