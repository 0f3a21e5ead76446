/**
 * HTTP for those who operate a worker or a gateway, by the names that Kubernetes and Prometheus know:
 *
 *     GET /healthz    200 while the process serves
 *     GET /readyz     200 if it can work, else 503 with what it waits for
 *     GET /metrics    for Prometheus
 *
 * It only gives numbers and these words, so it asks nobody who they are.
 */
import { type Context, Hono } from 'hono';
import { CopilotError } from './contracts/errors.ts';
import { type HttpListener, listenHttp } from './http-listener.ts';

/** What is not ready, for people; undefined if nothing is missing. */
export type Readiness = () => Promise<string | undefined>;

export interface Metrics {
  readonly contentType: string;
  readonly text: string;
}

/** What is asked changes while a process starts, works and ends. */
export interface Operated {
  ready: Readiness;
  metrics: () => Promise<Metrics>;
}

export const STARTING = 'it starts';

/** Nothing is there yet. */
export function newOperated(): Operated {
  return {
    ready: () => Promise.resolve(STARTING),
    metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: '' }),
  };
}

export function operatorApp(operated: Operated): Hono {
  const app = new Hono();
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.get('/readyz', (context) => answerReadiness(context, operated.ready));
  app.get('/metrics', async (context) => {
    const { contentType, text } = await operated.metrics();
    return context.body(text, 200, { 'content-type': contentType });
  });
  return app;
}

export async function answerReadiness(context: Context, ready: Readiness): Promise<Response> {
  const problem = await ready();
  return problem === undefined ? context.json({ status: 'ok' }) : context.json({ status: 'waiting', problem }, 503);
}

/** On every address, for a Prometheus on another host. @throws CopilotError `InvalidConfig` if the port is in use */
export async function openOperatorPort(port: number, operated: Operated): Promise<HttpListener> {
  const app = operatorApp(operated);
  app.notFound((context) =>
    context.json({ error: { message: 'There is GET /healthz, GET /readyz and GET /metrics.' } }, 404),
  );
  return await listenHttp(app, { port }).catch((cause: unknown) => {
    const problem = cause instanceof Error ? cause.message : '';
    throw new CopilotError('InvalidConfig', { name: 'COPILOT_METRICS_PORT', value: port, problem }, { cause });
  });
}
