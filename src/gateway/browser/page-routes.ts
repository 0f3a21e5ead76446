/** What a browser asks for before it is signed in: the page itself, the one-time link, and the sign-in form. */
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { checkInput } from '../../client/checked-input.ts';
import { isLoopbackName } from '../../environment-values.ts';
import { GatewayError } from '../problem.ts';
import type { LocalAccess } from '../principals/local-access.ts';
import type { Principal } from '../principals/principal.ts';
import { dropCookie, refuseOtherPages, writeCookie } from './cookie.ts';
import type { PageFiles } from './page-files.ts';

const LoginBody = z.strictObject({ key: z.string().min(1).max(8_192) });

/** For the page and for everything else: no scripts but our own files, no framing, nothing from other hosts. */
export const SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify',
].join('; ');

export interface BrowserParts {
  readonly page: () => Promise<PageFiles>;
  readonly local: LocalAccess | undefined;
  /** Called when the link was used: the next one needs the new code. */
  readonly onLinkUsed: () => void;
  /** Whose key or token it is. @throws GatewayError `Unauthorized` */
  readonly find: (secret: string, context: Context) => Promise<Principal>;
  readonly readBody: (context: Context) => Promise<unknown>;
}

export function addPageRoutes(app: Hono, parts: BrowserParts): void {
  if (parts.local !== undefined) {
    // A name that an attacker's server resolves to this machine makes a browser call us in the name of their page.
    app.use(async ({ req }, next) => {
      const { hostname } = new URL(req.url);
      if (!isLoopbackName(hostname)) {
        throw new GatewayError('Forbidden', `This gateway answers on this machine only, and not as ${hostname}.`);
      }
      await next();
    });
  }
  const file = async (path: string, { req }: Context): Promise<Response> => {
    const answer = (await parts.page()).answer(path, req.raw.headers);
    if (answer === undefined) throw new GatewayError('NotFound', `There is no ${path}. Load the page again.`);
    return answer;
  };
  app.get('/', (context) => file('/index.html', context));
  app.get('/assets/:name', (context) => file(context.req.path, context));
  app.get('/login', async (context) => {
    const secret = parts.local?.redeem(context.req.query('code') ?? '');
    if (secret !== undefined) {
      writeCookie(context, secret);
      parts.onLinkUsed();
    }
    return context.redirect('/', 303);
  });
  app.post('/v1/login', async (context) => {
    refuseOtherPages(context);
    const { key } = checkInput(LoginBody, await parts.readBody(context), '');
    const principal = await parts.find(key, context);
    writeCookie(context, key);
    return context.json(principal);
  });
  app.post('/v1/logout', (context) => {
    refuseOtherPages(context);
    dropCookie(context);
    return context.json({ signedOut: true });
  });
}
