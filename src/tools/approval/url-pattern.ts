/** Patterns of URLs: `https://docs.example.org/*`. Both sides are compared in the form that a request will use. */
import { parseUrlPattern, type UrlPattern } from '../../contracts/rule-patterns.ts';
import { folded, type Match, matchesTokens } from './match.ts';

/** Whether a rule may allow the URL. */
export function matchesUrl(pattern: string, text: string): boolean {
  const wanted = parseUrlPattern(pattern);
  // The parser drops or replaces these characters, so that people would read another URL than the one that is fetched.
  if (!wanted || /[\s\\\p{C}]/u.test(text) || !URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.protocol !== wanted.scheme || url.username !== '' || url.password !== '' || text.includes('@')) return false;
  // Some servers decode these once more: `%2e%2e%2f` is then `../`.
  if (/%(?:2e|2f|5c|25|00)|\/\/|;/i.test(url.pathname)) return false;
  return (
    !url.hostname.endsWith('.') &&
    url.port === wanted.port &&
    isHost(wanted, hostOf(url.hostname)) &&
    matchesTokens(wanted.path, url.pathname + url.search)
  );
}

/** A pattern for this URL and no other, or undefined if a rule cannot allow it. */
export function exactUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, pathname, search } = new URL(text);
  const pattern = `${protocol}//${host}${pathname}${search}`;
  return !pattern.includes('*') && matchesUrl(pattern, text) ? pattern : undefined;
}

/** Whether a rule that denies or asks is about the URL: any scheme and any port, and the path in each way to read it. */
export function matchesUrlCarefully(pattern: string, text: string): Match {
  const wanted = parseUrlPattern(pattern);
  if (!wanted || !URL.canParse(text)) return 'maybe';
  const url = new URL(text);
  if (!isHost(wanted, hostOf(url.hostname))) return 'no';
  const path = wanted.path.map((token) => ('char' in token ? { char: folded(token.char) } : token));
  const forms = [url.pathname + url.search, url.pathname, decoded(url.pathname + url.search)];
  if (forms.some((form) => matchesTokens(path, folded(form)))) return 'yes';
  return /%(?:2e|2f|5c|25|00)|\/\//i.test(url.pathname) ? 'maybe' : 'no';
}

function isHost({ host, isWild }: UrlPattern, given: string): boolean {
  return isWild ? given.endsWith(`.${host}`) : given === host;
}

function hostOf(hostname: string): string {
  return hostname.replace(/\.$/, '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
