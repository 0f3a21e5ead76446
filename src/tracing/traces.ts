/**
 * Sends spans by OTLP. Nothing of OpenTelemetry is loaded before somebody asks for traces.
 *
 * A turn's spans are made by several processes, and some of them may die. So their ids are derived from what they show, and
 * whoever makes a child knows its parent: a retry, another worker and a later run find the same one.
 */
import { createHash } from 'node:crypto';
import type * as Api from '@opentelemetry/api';
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';
import type * as Sdk from '@opentelemetry/sdk-trace';
import type { IdGenerator, Sampler, SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { TracedTurn } from '../contracts/trace.ts';
import { packageVersion } from '../package-info.ts';
import type { TraceSettings } from './settings.ts';

/** How long a program that ends waits for the server of its spans. */
export const CLOSE_TIMEOUT_MS = 2_000;
const TELL_INTERVAL_MS = 60_000;
/** The standard's default. */
const DEFAULT_TIMEOUT_MS = 10_000;

export interface SpanStart {
  readonly name: string;
  readonly parent: SpanParent;
  /** Default: random. */
  readonly spanId?: string;
  /** Default: internal. */
  readonly isClient?: boolean;
  /** Default: now. */
  readonly startedAt?: Date;
  readonly attributes: Attributes;
}

/** Without `spanId` the span begins its trace. */
export interface SpanParent {
  readonly traceId: string;
  readonly spanId?: string;
  /** Default: as the sampler says. */
  readonly isSampled?: boolean;
}

export interface OpenSpan {
  /** For others that work for it. */
  readonly traceparent: string;
  readonly asParent: SpanParent;
  set(attributes: Attributes): void;
  /** Marks it as failed. Messages of errors quote people, so the type is all that is kept. */
  fail(errorType: string): void;
  end(at?: Date): void;
}

/** The spans of one client or worker. */
export class Traces {
  /** Whether spans have what people, models and tools say. */
  readonly withContent: boolean;
  readonly #otel: OpenTelemetry;

  private constructor(otel: OpenTelemetry, withContent: boolean) {
    this.#otel = otel;
    this.withContent = withContent;
  }

  /**
   * Undefined without settings, and if they cannot be used.
   * @param tell hears why they cannot, and at most once a minute why spans were not taken
   * @param timeoutMs how long spans may take to be taken, unless the settings say so; a program does not end before
   */
  static async open(
    settings: TraceSettings | undefined,
    tell?: (problem: string) => void,
    timeoutMs = DEFAULT_TIMEOUT_MS,
  ): Promise<Traces | undefined> {
    if (!settings) return undefined;
    try {
      return new Traces(await openTelemetry({ timeoutMs, ...settings }, tell), settings.withContent);
    } catch (error) {
      tell?.(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  begin({ name, parent, spanId, isClient = false, startedAt, attributes }: SpanStart): OpenSpan {
    const { api, tracer, ids } = this.#otel;
    ids.next = { traceId: parent.traceId, ...(spanId === undefined ? {} : { spanId }) };
    const kind = isClient ? api.SpanKind.CLIENT : api.SpanKind.INTERNAL;
    const start = { kind, attributes, ...(startedAt === undefined ? {} : { startTime: startedAt }) };
    return opened(api, tracer.startSpan(name, start, this.#contextOf(parent)));
  }

  /** The span that the caller's own program is in, if that is traced by OpenTelemetry, too. */
  get callersSpan(): SpanParent | undefined {
    const { api } = this.#otel;
    const { traceId, spanId, traceFlags } = api.trace.getActiveSpan()?.spanContext() ?? api.INVALID_SPAN_CONTEXT;
    return api.isValidTraceId(traceId) ? { traceId, spanId, isSampled: (traceFlags & 1) === 1 } : undefined;
  }

  /** Sends what is left, for 2 s at most. */
  async close(): Promise<void> {
    const timeout = new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS).unref());
    await Promise.race([this.#otel.provider.shutdown().catch(() => undefined), timeout]);
  }

  #contextOf({ traceId, spanId, isSampled = this.#samples(traceId) }: SpanParent): Context {
    const { api } = this.#otel;
    if (spanId === undefined) return api.ROOT_CONTEXT;
    return api.trace.setSpanContext(api.ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: isSampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE,
      isRemote: true,
    });
  }

  /** Whether a trace is sampled whose beginning was sampled by another process with the same settings. */
  #samples(traceId: string): boolean {
    const { api, sampler, recorded } = this.#otel;
    const { decision } = sampler.shouldSample(api.ROOT_CONTEXT, traceId, '', api.SpanKind.INTERNAL, {}, []);
    return decision === recorded;
  }
}

/** Where a part of a turn hangs. Without a part: the turn itself, and without a sender that is traced it is the root. */
export function parentOf(sessionId: string, turn: TracedTurn, part?: string): SpanParent {
  const [, traceId = digest(32, 'trace', sessionId, turn.turnId), sender, flags] = turn.trace?.split('-') ?? [];
  const sent = flags === undefined ? {} : { isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
  const spanId = part === undefined ? sender : spanIdOf(sessionId, turn, part);
  return { traceId, ...(spanId === undefined ? {} : { spanId }), ...sent };
}

/** @param part as in {@link SessionSpan}; empty for the turn itself */
export function spanIdOf(sessionId: string, { turnId, takenUp = 0 }: TracedTurn, part: string): string {
  return digest(16, 'span', sessionId, turnId, String(takenUp), part);
}

/** Of a sender who is in no trace yet. A message that is sent again, perhaps by another process, is in the same one. */
export function senderTraceId(sessionId: string, messageId: string): string {
  return digest(32, 'message', sessionId, messageId);
}

function digest(digits: number, ...parts: string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, digits);
}

function opened(api: OpenTelemetry['api'], span: Span): OpenSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  const isSampled = (traceFlags & api.TraceFlags.SAMPLED) !== 0;
  return {
    traceparent: `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`,
    asParent: { traceId, spanId, isSampled },
    set: (attributes) => void span.setAttributes(attributes),
    fail: (errorType) => {
      span.setAttribute('error.type', errorType);
      span.setStatus({ code: api.SpanStatusCode.ERROR });
    },
    end: (at) => span.end(at),
  };
}

interface OpenTelemetry {
  readonly api: typeof Api;
  readonly provider: TracerProvider;
  readonly tracer: Tracer;
  readonly sampler: Sampler;
  /** The decision of a sampler that sends the span. */
  readonly recorded: number;
  readonly ids: ChosenIds;
}

/** @throws Error if the protocol is not supported, or a package is missing */
async function openTelemetry(settings: TraceSettings, tell?: (problem: string) => void): Promise<OpenTelemetry> {
  const [api, sdk, { defaultResource, detectResources, envDetector, resourceFromAttributes }, exporter] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/resources'),
      openExporter(settings),
    ]);
  const sampler = samplerOf(sdk, settings);
  const ids = new ChosenIds(new sdk.RandomIdGenerator());
  const named = resourceFromAttributes({ 'service.name': 'durable-copilot', 'service.version': packageVersion });
  const provider = new sdk.TracerProvider({
    // What the environment says goes before our own name.
    resource: defaultResource()
      .merge(named)
      .merge(detectResources({ detectors: [envDetector] })),
    sampler,
    idGenerator: ids,
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: telling(exporter, tell), ...settings.batch })],
  });
  const tracer = provider.getTracer('durable-copilot', packageVersion);
  return { api, provider, tracer, sampler, ids, recorded: sdk.SamplingDecision.RECORD_AND_SAMPLED };
}

/** The SDK itself says nothing of spans that were not taken. */
function telling(exporter: SpanExporter, tell?: (problem: string) => void): SpanExporter {
  let toldAt = Number.NEGATIVE_INFINITY;
  const note = (error: Error): void => {
    if (performance.now() - toldAt < TELL_INTERVAL_MS) return;
    toldAt = performance.now();
    // Some errors of Node have a code and no words.
    tell?.(error.message || ('code' in error ? String(error.code) : error.name));
  };
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error) note(result.error);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}

/** The exporter itself reads headers, compression and certificates from the environment. */
async function openExporter({
  protocol,
  url,
  timeoutMs: timeoutMillis = DEFAULT_TIMEOUT_MS,
}: TraceSettings): Promise<SpanExporter> {
  switch (protocol) {
    case 'http/protobuf':
      return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter({ url, timeoutMillis });
    case 'http/json':
      return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter({ url, timeoutMillis });
    default:
      throw new Error(`OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is ${protocol}; use http/protobuf or http/json`);
  }
}

function samplerOf(sdk: typeof Sdk, { sampler, ratio }: TraceSettings): Sampler {
  const root = sampler.endsWith('always_off')
    ? new sdk.AlwaysOffSampler()
    : sampler.endsWith('traceidratio')
      ? new sdk.TraceIdRatioBasedSampler(ratio)
      : new sdk.AlwaysOnSampler();
  const followsParent = sampler.startsWith('parentbased_') || !KNOWN_SAMPLERS.includes(sampler);
  return followsParent ? new sdk.ParentBasedSampler({ root }) : root;
}

const KNOWN_SAMPLERS = ['always_on', 'always_off', 'traceidratio'];

/** Gives the next span the ids that were chosen for it. A span takes its ids as it starts, so nobody comes in between. */
class ChosenIds implements IdGenerator {
  next: { readonly traceId?: string; readonly spanId?: string } = {};
  readonly #random: IdGenerator;

  constructor(random: IdGenerator) {
    this.#random = random;
  }

  generateTraceId(): string {
    return this.next.traceId ?? this.#random.generateTraceId();
  }

  generateSpanId(): string {
    return this.next.spanId ?? this.#random.generateSpanId();
  }
}
