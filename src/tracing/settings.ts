/** What the standard variables say of traces: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */

export interface TraceSettings {
  /** Full address that spans are posted to. */
  readonly url: string;
  /** `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` or `OTEL_EXPORTER_OTLP_PROTOCOL`, default `http/protobuf`. */
  readonly protocol: string;
  /** How long spans may take to be taken, retries included. `OTEL_EXPORTER_OTLP_TIMEOUT`. */
  readonly timeoutMs?: number;
  /** Whether spans have what people, models and tools say. `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`. */
  readonly withContent: boolean;
  /** `OTEL_TRACES_SAMPLER`, default `parentbased_always_on`. */
  readonly sampler: string;
  /** `OTEL_TRACES_SAMPLER_ARG`: the share of traces, from 0 to 1. */
  readonly ratio: number;
  readonly batch: {
    /** `OTEL_BSP_SCHEDULE_DELAY`. Default 1,000: what a killed worker has not sent is lost. */
    readonly scheduledDelayMillis: number;
    /** `OTEL_BSP_EXPORT_TIMEOUT`. */
    readonly exportTimeoutMillis: number;
    /** `OTEL_BSP_MAX_QUEUE_SIZE`. */
    readonly maxQueueSize: number;
    /** `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`. */
    readonly maxExportBatchSize: number;
  };
}

const DEFAULT_ENDPOINT = 'http://localhost:4318';

/** Values that put content into spans; `EVENT_ONLY` would put it into log events, which this program does not send. */
const WITH_CONTENT = ['true', 'span_only', 'span_and_event'];

/** Undefined if nobody has asked for traces. A value that is not understood counts as not set, as the standard says. */
export function readTraceSettings(given: Readonly<Record<string, string>>): TraceSettings | undefined {
  const text = (name: string, fallback = ''): string => (given[name] ?? fallback).trim().toLowerCase();
  const number = (name: string, fallback: number): number => {
    const value = Number(given[name] ?? Number.NaN);
    return Number.isFinite(value) && value >= 0 ? value : fallback;
  };
  const {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own,
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol = 'http/protobuf',
  } = given;
  const timeout = given['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT'] ?? given['OTEL_EXPORTER_OTLP_TIMEOUT'];
  const exporters = text('OTEL_TRACES_EXPORTER')
    .split(',')
    .map((name) => name.trim());
  const isAsked = exporters.includes('otlp') || (exporters[0] === '' && (own ?? endpoint) !== undefined);
  if (!isAsked || text('OTEL_SDK_DISABLED') === 'true') return undefined;
  return Object.freeze({
    url: own ?? `${(endpoint ?? DEFAULT_ENDPOINT).replace(/\/+$/, '')}/v1/traces`,
    protocol: text('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', protocol),
    ...(timeout !== undefined && Number(timeout) > 0 ? { timeoutMs: Number(timeout) } : {}),
    withContent: WITH_CONTENT.includes(text('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT')),
    sampler: text('OTEL_TRACES_SAMPLER', 'parentbased_always_on'),
    ratio: Math.min(1, number('OTEL_TRACES_SAMPLER_ARG', 1)),
    batch: Object.freeze({
      scheduledDelayMillis: number('OTEL_BSP_SCHEDULE_DELAY', 1_000),
      exportTimeoutMillis: number('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
      maxQueueSize: number('OTEL_BSP_MAX_QUEUE_SIZE', 2_048),
      maxExportBatchSize: number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512),
    }),
  });
}
