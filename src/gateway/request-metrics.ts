/** What requests to a gateway took, for Prometheus. */
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics } from '../operator-port.ts';

const SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export interface RequestMetrics {
  /** To stand before all routes. */
  readonly middleware: MiddlewareHandler;
  readonly read: () => Promise<Metrics>;
}

/** @param followers how many event streams are open */
export function measureRequests(followers: () => number): RequestMetrics {
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
      // The pattern of the route that answered, and not the path, which has ids of sessions.
      const labels = { method, route: routePath(context), status: String(context.res.status) };
      durations.observe(labels, (performance.now() - began) / 1_000);
    },
    read: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
