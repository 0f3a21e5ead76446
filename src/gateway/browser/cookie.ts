/** The cookie by which a browser is signed in: its value is a key, a token, or the secret of local access. */
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { GatewayError } from '../problem.ts';

/** Browsers drop cookies after 400 days at the latest. */
const MAX_AGE_SECONDS = 30 * 24 * 3_600;
const SAFE_METHODS = ['GET', 'HEAD'];

/** Browsers send a cookie to all ports of a host, so each port has its own. */
function nameOf(context: Context): string {
  return `copilot-${new URL(context.req.url).port || 'web'}`;
}

export function writeCookie(context: Context, secret: string): void {
  const isEncrypted = new URL(context.req.url).protocol === 'https:' || proto(context) === 'https';
  setCookie(context, nameOf(context), secret, {
    path: '/',
    httpOnly: true,
    sameSite: 'Strict',
    secure: isEncrypted,
    maxAge: MAX_AGE_SECONDS,
  });
}

export function dropCookie(context: Context): void {
  deleteCookie(context, nameOf(context), { path: '/' });
}

/**
 * What the cookie holds. A cookie counts only for requests of the gateway's own page: another port of the same host is the
 * same site for a browser, so `SameSite` does not keep its pages out.
 * @throws GatewayError `Forbidden` for requests of other pages
 */
export function readCookie(context: Context): string | undefined {
  const secret = getCookie(context, nameOf(context));
  if (secret !== undefined) refuseOtherPages(context);
  return secret;
}

/** @throws GatewayError `Forbidden` */
export function refuseOtherPages({ req }: Context): void {
  const site = req.header('sec-fetch-site');
  const origin = req.header('origin');
  const isOwnSite = site === undefined || site === 'same-origin' || site === 'none';
  const isOwnOrigin = origin === undefined ? SAFE_METHODS.includes(req.method) : isHost(origin, req);
  if (isOwnSite && isOwnOrigin) return;
  throw new GatewayError('Forbidden', 'Only the page of this gateway may use its cookie; send a key instead.');
}

/** A proxy that ends TLS passes the name on which it was called as `X-Forwarded-Host`, which no page can set. */
function isHost(origin: string, req: Context['req']): boolean {
  const host = URL.canParse(origin) ? new URL(origin).host : '';
  return host !== '' && (host === req.header('host') || host === req.header('x-forwarded-host'));
}

const proto = ({ req }: Context): string | undefined => req.header('x-forwarded-proto');
