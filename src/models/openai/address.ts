/** Reads a base URL as people write it: with or without a trailing slash, a full endpoint, a query, or quotes. */
import { CopilotError } from '../../contracts/errors.ts';

export interface Address {
  readonly baseUrl: string;
  readonly query: Readonly<Record<string, string>>;
}

export const OPENAI_URL = 'https://api.openai.com/v1';
const ENDPOINT = /\/(chat\/completions|responses|completions|models|messages)\/?$/i;
/** Ollama's own API, beside which it has OpenAI's. */
const OLLAMA = /\/api\/(chat|generate|tags)\/?$/;

/** @throws CopilotError `InvalidConfig` for anything but an http or https URL */
export function parseAddress(value: string, variable: string): Address {
  // Docker's files of variables keep quotes.
  const text = value.trim().replace(/^(["'])(.*)\1$/, '$2');
  // `localhost:11434` parses as a URL with the scheme `localhost:`.
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (!url) {
    throw new CopilotError('InvalidConfig', {
      name: variable,
      value,
      problem: /^[\w.-]+(:\d+)?(\/|$)/.test(text)
        ? `it is a URL that begins with http:// or https://, such as http://${text}`
        : 'it is a URL that begins with http:// or https://',
    });
  }
  if (url.username !== '' || url.password !== '') {
    const problem =
      'it has a user name or password, which a base URL cannot carry; set an Authorization header instead';
    throw new CopilotError('InvalidConfig', { name: variable, value: `${url.origin}${url.pathname}`, problem });
  }
  const query = Object.fromEntries(url.searchParams);
  url.search = '';
  url.hash = '';
  url.pathname = url.pathname.replace(OLLAMA, '/v1').replace(ENDPOINT, '').replace(/\/+$/, '');
  return { baseUrl: url.href.replace(/\/+$/, ''), query };
}

/** Whether it is OpenAI's own API, which speaks Responses. */
export function isOpenAi({ baseUrl }: Address): boolean {
  const { hostname } = new URL(baseUrl);
  return hostname === 'api.openai.com' || hostname.endsWith('.api.openai.com');
}
