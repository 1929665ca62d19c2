import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api'

/** What log lines say of the work that writes them: names as `operation`, `saga`, `step`, `request`. */
export type Fields = Readonly<Record<string, string | number>>

/** A piece of work to be followed. */
export interface Work {
  /** Low in number, as OpenTelemetry asks of span names: a command, a saga, a step, a method; never an id. */
  readonly name: string
  readonly kind?: 'server' | 'client'
  /** A `traceparent` that was kept, or came in, to go on from; absent: what is at work now, else a new trace. */
  readonly parent?: string | undefined
  /** Stand in the span as `moorage.NAME`, and in every log line of this work. */
  readonly fields?: Fields
}

interface Scope {
  readonly context: Context
  readonly fields: Fields
}

const scopes = new AsyncLocalStorage<Scope>()

/**
 * Runs `work` as a span below its parent, and with its fields in every log line, whatever writes it. The span is
 * OpenTelemetry's: where no SDK was loaded, nothing is recorded, and the trace id serves the log alone. What `work` throws
 * ends the span as failed; its text does not go into the span.
 */
export async function inSpan<Result>(of: Work, work: (span: Span) => Promise<Result>): Promise<Result> {
  const outer = scopes.getStore()
  const above = of.parent === undefined ? outer?.context : contextOf(of.parent)
  const attributes: Attributes = Object.fromEntries(
    Object.entries(of.fields ?? {}).map(([name, value]) => [`moorage.${name}`, value]),
  )
  const kind = of.kind === 'server' ? SpanKind.SERVER : of.kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL
  const span = started(trace.getTracer('moorage').startSpan(of.name, { kind, attributes }, above ?? ROOT_CONTEXT))
  const inner = trace.setSpan(above ?? ROOT_CONTEXT, span)
  const scope = { context: inner, fields: { ...outer?.fields, ...of.fields } }
  try {
    // Also as OpenTelemetry keeps it: spans of an operator's instrumentation, as of the database client, belong below ours.
    return await scopes.run(scope, () => context.with(inner, () => work(span)))
  } catch (error) {
    fail(span, codeOf(error))
    throw error
  } finally {
    span.end()
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** Marks a span as failed. `why` is a code or a name, never a text that could hold a secret. */
export function fail(span: Span, why: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: why })
}

/** The fields of the work at hand, and its trace id; empty outside of any. */
export function scopeFields(): Fields {
  const scope = scopes.getStore()
  if (scope === undefined) return {}
  const found = trace.getSpanContext(scope.context)
  return found === undefined ? scope.fields : { ...scope.fields, trace: found.traceId }
}

/** The `traceparent` (W3C Trace Context) of the work at hand; of a new trace outside of any. To be kept, and gone on from. */
export function traceparent(): string {
  const scope = scopes.getStore()
  const { traceId, spanId, traceFlags } = (scope && trace.getSpanContext(scope.context)) ?? newSpanContext()
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}

/** True for what `parent` takes: version 00 of W3C's header. */
export function isTraceparent(text: string): boolean {
  return contextOf(text) !== undefined
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

function contextOf(parent: string): Context | undefined {
  const [, traceId = '', spanId = '', flags = '0'] = TRACEPARENT.exec(parent) ?? []
  const found: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(found) ? trace.setSpanContext(ROOT_CONTEXT, found) : undefined
}

/** Without an SDK a span that begins a trace has no id: the log needs one all the same. */
function started(span: Span): Span {
  return isSpanContextValid(span.spanContext()) ? span : trace.wrapSpanContext(newSpanContext())
}

function newSpanContext(): SpanContext {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  return { traceId, spanId, traceFlags: TraceFlags.NONE }
}
