/** The HTTP gateway: REST and server-sent events over a client of the sessions. */
import { type Context, Hono } from 'hono';
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
import { limitBodies } from './bodies.ts';
import { bodyOf, handler, type ProtocolStreams } from './call.ts';
import { agUiRoutes } from './chats/ag-ui.ts';
import { aiSdkRoutes } from './chats/ai-sdk.ts';
import { EventHub } from './events/event-hub.ts';
import { describeApi } from './openapi.ts';
import { KeyStore } from './principals/key-file.ts';
import { type LimitSettings, RequestRate, StreamLimit, WorkLimit, type WorkPlace } from './principals/limits.ts';
import { LocalAccess } from './principals/local-access.ts';
import type { Principal } from './principals/principal.ts';
import { type TokenRules, TokenVerifier } from './principals/tokens.ts';
import { GatewayError, problemHeaders, problemOf } from './problem.ts';
import { openAiApp, refuseAsOpenAi } from './openai/app.ts';
import { REFERENCE_POLICY, referencePage } from './reference-page.ts';
import { measureRequests, type RequestMetrics } from './request-metrics.ts';
import { underCaller } from '../tracing/send-span.ts';
import { contextRoutes } from './routes/context-routes.ts';
import { eventRoutes } from './routes/event-routes.ts';
import { fileRoutes } from './routes/file-routes.ts';
import { peopleRoutes } from './routes/people-routes.ts';
import type { Route } from './routes/route.ts';
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
  /** What the command calls its options for address and port. Default `--port or --host`. */
  readonly portOption?: string;
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
  const streams = new StreamLimit(options.limits.streams);
  const hub = new EventHub(streams);
  const requests = measureRequests(() => hub.size, log);
  operated.metrics = requests.read;
  const running = new Set<Promise<unknown>>();
  const stopper = new AbortController();
  let listener: HttpListener;
  const app = createApp({
    ...options,
    keys,
    verifier: tokens && new TokenVerifier(tokens),
    local,
    hub,
    running,
    streams: { limit: streams, running, stopping: stopper.signal },
    signedIn: new WeakMap(),
    rate: new RequestRate(options.limits.requestsPerMinute),
    work: new WorkLimit(options.limits.sessionsAtWork),
    requests,
    operated,
    page: pageOf(preparePage),
    onLinkUsed: () => onLink?.(linkAt(listener.url ?? '') ?? ''),
  });
  try {
    listener = await listenHttp(app, { host, port });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const problem = `the gateway cannot listen there (${reason}); choose another with ${options.portOption ?? '--port or --host'}`;
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
      stopper.abort();
      await listener.close(LAST_BYTES_MS);
    },
  };
}

/** Gives the page, which is read when it is first asked for. A build that failed is tried again. */
function pageOf(prepare: () => Promise<string>): () => Promise<PageFiles> {
  let page: Promise<PageFiles> | undefined;
  return () =>
    (page ??= prepare()
      .then((folder) => PageFiles.read(folder))
      .catch((error: unknown) => {
        page = undefined;
        throw error;
      }));
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
  readonly streams: ProtocolStreams;
  /** Who sends a request, so that nobody is looked up and counted twice for it. */
  readonly signedIn: WeakMap<Context, Principal>;
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
  app.use(limitBodies(parts.limits.bodyBytes, (context) => signIn(parts, context)));
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
  addProtocols(app, parts);
  app.notFound((context) => refuse(unknownRequest(app, context.req), context, parts.log));
  app.onError((error, context) => refuse(error, context, parts.log));
  return app;
}

function addProtocols(app: Hono, parts: Parts): void {
  const { client, log, work, streams } = parts;
  const protocols = {
    client,
    log,
    work,
    streams,
    signIn: (context: Context) => signIn(parts, context),
    isStill: (principal: Principal, context: Context) => isStill(parts, principal, context),
  };
  app.route(OPENAI, openAiApp(protocols));
  const handle = handler(protocols);
  aiSdkRoutes(app, handle);
  agUiRoutes(app, handle);
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
  const isSignedIn = (): Promise<boolean> => isStill(parts, principal, context);
  const call = { client, principal, isSignedIn, session, request, path, query, body, lastEventId, admit, signal };
  const given = await one.run(call);
  return given instanceof Response ? given : context.json(given as object, one.status ?? 200); // JSON by the client's types
}

/** @throws GatewayError `Unauthorized`, `TooManyRequests` */
async function signIn(parts: Parts, context: Context): Promise<Principal> {
  const known = parts.signedIn.get(context);
  if (known) return known;
  const principal = await identify(parts, context);
  parts.rate.take(principal.name);
  parts.signedIn.set(context, principal);
  return principal;
}

function isStill(parts: Parts, principal: Principal, context: Context): Promise<boolean> {
  return identify(parts, context).then(
    ({ name }) => name === principal.name,
    () => false,
  );
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
