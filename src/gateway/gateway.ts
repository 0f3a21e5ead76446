/** The HTTP gateway: REST and server-sent events over a client of the sessions. */
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { CopilotClient, SessionHandle } from '../client.ts';
import { checkInput } from '../client/checked-input.ts';
import { CopilotError } from '../contracts/errors.ts';
import { isLoopbackName } from '../environment-values.ts';
import { type HttpListener, listenHttp } from '../http-listener.ts';
import { answerReadiness, newOperated, type Operated } from '../operator-port.ts';
import { packageVersion } from '../package-info.ts';
import { authorize } from './authorize.ts';
import { readCookie } from './browser/cookie.ts';
import { PageFiles } from './browser/page-files.ts';
import { addPageRoutes, SECURITY_POLICY } from './browser/page-routes.ts';
import { bodyOf, discardBody, handler } from './call.ts';
import { agUiRoutes } from './chats/ag-ui.ts';
import { aiSdkRoutes } from './chats/ai-sdk.ts';
import { EventHub } from './events/event-hub.ts';
import { describeApi } from './openapi.ts';
import { KeyStore } from './principals/key-file.ts';
import { type LimitSettings, RequestRate, WorkLimit, type WorkPlace } from './principals/limits.ts';
import { LocalAccess } from './principals/local-access.ts';
import type { Principal } from './principals/principal.ts';
import { type TokenRules, TokenVerifier } from './principals/tokens.ts';
import { GatewayError, problemHeaders, problemOf } from './problem.ts';
import { openAiApp, refuseAsOpenAi } from './openai/app.ts';
import { REFERENCE_POLICY, referencePage } from './reference-page.ts';
import { measureRequests, type RequestMetrics } from './request-metrics.ts';
import { underCaller } from '../tracing/send-span.ts';
import { contextRoutes } from './routes/context-routes.ts';
import { fileRoutes } from './routes/file-routes.ts';
import { peopleRoutes } from './routes/people-routes.ts';
import { Count, type Route, route } from './routes/route.ts';
import { sessionRoutes } from './routes/session-routes.ts';
import { webhookRoutes } from './routes/webhook-routes.ts';

/** How long running requests may take when the gateway stops. */
const DRAIN_MS = 10_000;
/** How long the last bytes of streams may take to their callers. */
const LAST_BYTES_MS = 500;
const OPENAI = '/openai/v1';

export interface GatewayOptions {
  readonly client: CopilotClient;
  /** Folder with the keys. */
  readonly homeDir: string;
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  /** Tokens of an identity provider that are accepted beside keys. */
  readonly tokens?: TokenRules | undefined;
  readonly limits: LimitSettings;
  /** Whether a link that works once lets people of this machine in, as operators. Default: if nobody else could get in. */
  readonly withLink?: boolean;
  /** Gives the folder of the page. Asked once, when a browser comes. */
  readonly preparePage: () => Promise<string>;
  /** Told the next link when one was used. */
  readonly onLink?: (link: string) => void;
  /** Gets what probes and Prometheus ask for. */
  readonly operated?: Operated;
  readonly log: Logger;
}

export interface Gateway {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Signs the first browser in that opens it. Undefined if people need keys. */
  readonly link: string | undefined;
  /** Ends event streams, lets other requests finish for 10 s, and stops. Any number of calls. */
  close(): Promise<void>;
}

/**
 * Starts the gateway.
 * @throws CopilotError `InvalidInput` if the port is in use, or if anybody who reaches another address than loopback, or
 *   nobody, could sign in
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { homeDir, host, port, tokens, log, preparePage, onLink } = options;
  const keys = new KeyStore(homeDir);
  const isClosed = tokens === undefined && (await keys.list()).length === 0;
  const withLink = options.withLink ?? isClosed;
  if (withLink && !isLoopbackName(host)) {
    const problem = 'without keys the gateway listens on this machine only; add a key first: copilot keys add <name>';
    throw new CopilotError('InvalidInput', { what: `host ${host}`, problem });
  }
  const local = withLink ? await LocalAccess.open(homeDir) : undefined;
  const linkAt = (url: string): string | undefined => local && `${url}/login?code=${local.code}`;
  const { client, operated = newOperated() } = options;
  const hub = new EventHub(options.limits.streams);
  const requests = measureRequests(() => hub.size, log);
  operated.metrics = requests.read;
  const running = new Set<Promise<unknown>>();
  let listener: HttpListener;
  let page: Promise<PageFiles> | undefined;
  const app = createApp({
    ...options,
    keys,
    verifier: tokens && new TokenVerifier(tokens),
    local,
    hub,
    running,
    rate: new RequestRate(options.limits.requestsPerMinute),
    work: new WorkLimit(options.limits.sessionsAtWork),
    requests,
    operated,
    // A build that failed is tried again.
    page: () =>
      (page ??= preparePage()
        .then((folder) => PageFiles.read(folder))
        .catch((error: unknown) => {
          page = undefined;
          throw error;
        })),
    onLinkUsed: () => onLink?.(linkAt(listener.url ?? '') ?? ''),
  });
  try {
    listener = await listenHttp(app, { host, port });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const problem = `the gateway cannot listen there (${reason}); choose another with --port or --host`;
    throw new CopilotError('InvalidInput', { what: `${host}:${port}`, problem }, { cause });
  }
  operated.ready = async () => ((await client.serverAnswers()) ? undefined : 'the Temporal server does not answer');
  log.info({ url: listener.url }, 'gateway ready');
  return {
    url: listener.url ?? '',
    link: linkAt(listener.url ?? ''),
    close: async () => {
      operated.ready = () => Promise.resolve('it stops');
      const ended = hub.close();
      const timeout = new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref());
      await Promise.race([Promise.allSettled([...running, ended]), timeout]);
      await listener.close(LAST_BYTES_MS);
    },
  };
}

interface Parts extends Pick<GatewayOptions, 'client' | 'limits' | 'log'> {
  readonly rate: RequestRate;
  readonly work: WorkLimit;
  readonly keys: KeyStore;
  readonly verifier: TokenVerifier | undefined;
  readonly local: LocalAccess | undefined;
  readonly page: () => Promise<PageFiles>;
  readonly onLinkUsed: () => void;
  readonly hub: EventHub;
  readonly running: Set<Promise<unknown>>;
  readonly requests: RequestMetrics;
  readonly operated: Operated;
}

function createApp(parts: Parts): Hono {
  const app = new Hono();
  const routes = [
    ...sessionRoutes,
    ...peopleRoutes,
    ...contextRoutes,
    ...fileRoutes,
    ...webhookRoutes,
    ...eventRoutes(parts.hub),
  ];
  app.use(parts.requests.middleware);
  app.use(secureHeaders({ crossOriginResourcePolicy: 'same-origin', xFrameOptions: 'DENY' }));
  app.use(async (context, next) => {
    await next();
    const { headers } = context.res;
    if (!headers.has('content-security-policy')) headers.set('content-security-policy', SECURITY_POLICY);
    if (!headers.has('cache-control')) headers.set('cache-control', 'no-store');
    // HEAD is answered as GET is, and nobody reads the body: a stream would stay open for ever.
    if (context.req.method === 'HEAD') await context.res.body?.cancel();
  });
  app.use(async ({ req }, next) => {
    const handled = underCaller(req.header('traceparent'), next);
    parts.running.add(handled);
    await handled.finally(() => parts.running.delete(handled));
  });
  const limited = bodyLimit({
    maxSize: parts.limits.bodyBytes,
    onError: async ({ req }) => {
      await discardBody(req.raw);
      throw new GatewayError('TooLarge', `The body is over ${parts.limits.bodyBytes} bytes; send less.`);
    },
  });
  // Files are passed on while they arrive, and have a limit of their own.
  app.use((context, next) => (isUpload(context) ? next() : limited(context, next)));
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.get('/readyz', (context) => answerReadiness(context, parts.operated.ready));
  addPageRoutes(app, {
    ...parts,
    find: (secret, context) => find(parts, context, secret),
    readBody,
  });
  app.get('/openapi.json', (context) => context.json(describeApi(routes, packageVersion)));
  app.get('/reference', (context) => {
    context.header('content-security-policy', REFERENCE_POLICY);
    return context.html(referencePage(describeApi(routes, packageVersion)));
  });
  for (const one of routes) {
    const path = one.path.replaceAll(/\{(\+?)(\w+)\}/g, (_, rest, name) =>
      rest === '' ? `:${name}` : `:${name}{[\\s\\S]+}`,
    );
    app.on(one.method.toUpperCase(), path, (context) => answer(parts, one, context));
  }
  const { client, log, work } = parts;
  const protocols = { client, log, work, signIn: (context: Context) => signIn(parts, context) };
  app.route(OPENAI, openAiApp(protocols));
  const handle = handler(protocols);
  aiSdkRoutes(app, handle);
  agUiRoutes(app, handle);
  app.notFound((context) => refuse(unknownRequest(app, context.req), context, log));
  app.onError((error, context) => refuse(error, context, log));
  return app;
}

function unknownRequest(app: Hono, { method, path }: Context['req']): GatewayError {
  const allow = methodsAt(app, path);
  if (allow.length > 0) {
    const message = `${path} takes ${allow.join(', ')}, and no ${method}. GET /openapi.json lists what there is.`;
    return new GatewayError('MethodNotAllowed', message, { allow });
  }
  const where = path.startsWith(`${OPENAI}/`) ? 'docs/protocols.md says' : 'GET /openapi.json lists';
  return new GatewayError('NotFound', `There is no ${method} ${path}. ${where} what there is.`);
}

/** Methods of the routes with this path. */
function methodsAt({ routes }: Hono, path: string): readonly string[] {
  const isMatch = (template: string): boolean => {
    const parts = template
      .split('/')
      .map((part) => (part.startsWith(':') ? (part.includes('{') ? '.+' : '[^/]+') : part));
    return !template.includes('*') && new RegExp(`^${parts.join('/')}$`).test(path);
  };
  const methods = routes.filter((one) => one.method !== 'ALL' && isMatch(one.path)).map(({ method }) => method);
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

const isUpload = ({ req }: Context): boolean => /^\/v1\/sessions\/[^/]+\/files(?:\/|$)/.test(req.path);

async function answer(parts: Parts, one: Route, context: Context): Promise<Response> {
  const { client } = parts;
  const principal = await signIn(parts, context);
  const path = context.req.param() as Record<string, string>; // the parts that the route names
  const session = client.session(path['id'] ?? 'none');
  if (one.right !== undefined) await authorize(principal, one.right, session, context.req.raw.signal);
  const query = checkInput(one.query ?? z.strictObject({}), context.req.query(), 'query');
  const body = one.body ? checkInput(one.body, await readBody(context), '') : undefined;
  const { signal } = context.req.raw;
  const lastEventId = context.req.header('last-event-id');
  const request = context.req.raw;
  const admit = (at?: SessionHandle): Promise<WorkPlace> => parts.work.admit(principal.name, at);
  const isSignedIn = (): Promise<boolean> =>
    identify(parts, context).then(
      ({ name }) => name === principal.name,
      () => false,
    );
  const call = { client, principal, isSignedIn, session, request, path, query, body, lastEventId, admit, signal };
  const given = await one.run(call);
  return given instanceof Response ? given : context.json(given as object, one.status ?? 200); // JSON by the client's types
}

/** @throws GatewayError `Unauthorized`, `TooManyRequests` */
async function signIn(parts: Parts, context: Context): Promise<Principal> {
  const principal = await identify(parts, context);
  parts.rate.take(principal.name);
  return principal;
}

async function identify(parts: Parts, context: Context): Promise<Principal> {
  const [, secret] = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '') ?? [];
  if (secret !== undefined) return await find(parts, context, secret);
  const cookie = readCookie(context);
  if (cookie !== undefined) {
    return { ...(parts.local?.find(cookie) ?? (await find(parts, context, cookie))), isBrowser: true };
  }
  throw new GatewayError('Unauthorized', 'Send a key: Authorization: Bearer cpk_…; `copilot keys add` makes one.');
}

/** Whose key or token it is. @throws GatewayError `Unauthorized` */
async function find({ keys, verifier, log }: Parts, { req }: Context, secret: string): Promise<Principal> {
  let reason = 'no such key; it may have been revoked';
  // What is wrong with the file is for the log: callers can neither mend it nor should they know where it is.
  const unreadable = (cause: unknown): never => {
    throw new Error('the keys cannot be read', { cause });
  };
  const principal =
    (await keys.find(secret).catch(unreadable)) ??
    (await verifier?.find(secret, (refused) => (reason = `the token is refused: ${refused}`)));
  if (principal) return principal;
  log.warn({ reason, path: req.path }, 'sign-in refused');
  throw new GatewayError('Unauthorized', `The key is not accepted (${reason}).`);
}

async function readBody(context: Context): Promise<unknown> {
  const { req } = context;
  if ((await req.text()) !== '' && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(req.header('content-type') ?? '')) {
    throw new CopilotError('InvalidInput', { what: 'content-type', problem: 'send the body as application/json' });
  }
  return await bodyOf(context);
}

/** Status for a caller that is no longer there, as proxies log it. */
const CALLER_LEFT = 499;

function refuse(error: unknown, { req }: Context, log: Logger): Response {
  const isOurs = problemOf(error) !== undefined;
  if (!isOurs && hasLeft(error, req.raw.signal)) return new Response(null, { status: CALLER_LEFT });
  return req.path.startsWith(`${OPENAI}/`) ? refuseAsOpenAi(error, log) : refusal(error, log);
}

/** Whether the caller went away before its body had come, or before it had an answer. */
function hasLeft(error: unknown, { aborted }: AbortSignal): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return aborted || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function refusal(error: unknown, log: Logger): Response {
  const problem = problemOf(error) ?? {
    type: 'Internal',
    status: 500,
    detail: 'The gateway failed at this request. Its log says why.',
    retryable: false,
  };
  if (problem.status >= 500 && problem.type !== 'Stopping') log.error({ err: error }, 'request failed');
  const headers = { 'content-type': 'application/problem+json', ...problemHeaders(error, problem.status) };
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}

/** The cursor before the first event of a turn; the first of all if the turn came along from another session. */
async function beginOf(session: SessionHandle, turnId: string, signal: AbortSignal): Promise<string> {
  const following = session.follow({ turnId, signal, as: null });
  try {
    return await following.cursor();
  } catch (error) {
    if (!(error instanceof CopilotError) || error.type !== 'InvalidInput') throw error;
    if (!(await cameAlong(session, turnId, signal))) throw error;
    return await session.follow({ from: 0, signal, as: null }).cursor();
  } finally {
    await following.return();
  }
}

/** Whether the session has a turn that began in another one. */
async function cameAlong(session: SessionHandle, turnId: string, signal: AbortSignal): Promise<boolean> {
  if ((await session.turns({ signal })).some(({ id }) => id === turnId)) return true;
  const { messages } = await session.transcript({ all: true, signal });
  return messages.some((message) => 'turnId' in message && message.turnId === turnId);
}

function eventRoutes(hub: EventHub): Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/sessions/{id}/events',
      summary:
        'Server-sent events; Last-Event-ID, or after, goes on exactly where another stream ended; turn begins with that turn',
      right: 'read',
      query: z.strictObject({
        after: z.string().min(1).optional(),
        from: Count.optional(),
        turn: z.string().min(1).max(200).optional(),
      }),
      media: 'text/event-stream',
      run: async ({ session, principal, isSignedIn, query: { turn, ...query }, lastEventId, signal }) => {
        const { isClosed } = await session.describe({ signal });
        // A browser repeats the whole address with its last id, which is newer.
        const after =
          lastEventId ?? query.after ?? (turn === undefined ? undefined : await beginOf(session, turn, signal));
        const start = { ...query, ...(after === undefined ? {} : { after }) };
        return await hub.stream(session, isClosed, { principal, isSignedIn }, start);
      },
    }),
    route({
      method: 'get',
      path: '/v1/sessions/{id}/followers',
      summary: 'Who follows the session now: through a gateway, with the CLI, or by the client library',
      right: 'read',
      run: ({ session }) => hub.attached(session),
    }),
  ];
}
