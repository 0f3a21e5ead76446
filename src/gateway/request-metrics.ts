/** What requests to a gateway took, for Prometheus and in the log. */
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { Logger } from 'pino';
import { Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics } from '../operator-port.ts';

const SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export interface RequestMetrics {
  /** To stand before all routes. */
  readonly middleware: MiddlewareHandler;
  readonly read: () => Promise<Metrics>;
}

/** @param followers how many event streams are open */
export function measureRequests(followers: () => number, log: Logger): RequestMetrics {
  const registry = new Registry();
  const registers = [registry];
  const startedAt = Date.now() / 1_000;
  const durations = new Histogram({
    name: 'copilot_gateway_request_duration_seconds',
    help: 'Requests until the answer began, by route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers,
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    // The gauge is set when it is asked for.
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge('copilot_gateway_followers', 'Event streams that are open.', followers);
  gauge('process_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss());
  gauge('process_start_time_seconds', 'When the gateway started, in Unix time.', () => startedAt);
  return {
    middleware: async (context, next) => {
      const began = performance.now();
      await next();
      const { method } = context.req;
      const { status } = context.res;
      // The pattern of the route that answered, and not the path, which has ids of sessions.
      const route = routePath(context);
      const ms = performance.now() - began;
      durations.observe({ method, route, status: String(status) }, ms / 1_000);
      log.debug(
        { ...placeOf(route, context.req.param()), method, route, status, ms: Math.round(ms) },
        'request answered',
      );
    },
    read: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

/** The session and the turn that a request names. */
function placeOf(route: string, { id, turnId }: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (id === undefined || !route.startsWith('/v1/sessions/')) return {};
  return { session: id, ...(turnId === undefined ? {} : { turn: turnId }) };
}
