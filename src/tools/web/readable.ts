/** Turns a fetched page into text. */
import { createRequire } from 'node:module';
import { runSeparately } from '../separate-process.ts';
import { refusal, shown } from '../refusal.ts';
import type { Scope } from '../workspace/paths.ts';
import type { Fetched } from './get.ts';

/** The length of HTML does not limit the time it takes: 300,000 nested elements take a minute. */
const TIME_LIMIT_MS = 10_000;
const MEMORY_LIMIT_MIB = 256;
/** Elements that are nested deeper are omitted. */
const MAX_DEPTH = 500;
const SNIFFED_BYTES = 1_024;

const TEXT_TYPE =
  /^(text\/[\w.+-]+|[\w.-]+\/([\w.-]+\+)?(json|xml|yaml)|application\/(x-yaml|toml|javascript|ecmascript|ndjson|x-ndjson|jsonl|json-seq|sql|x-sh|graphql|x-www-form-urlencoded))$/;

/** @throws CopilotError `ToolFailed` if the type is not text. If the server gives no type, the content decides later. */
export function refuseUnlessText(scope: Pick<Scope, 'tool'>, contentType: string): void {
  const type = typeOf(contentType);
  if (type === '' || TEXT_TYPE.test(type)) return;
  throw refusal(
    scope,
    `the content is ${shown(type)}, and fetch_url reads only text (HTML, plain text, JSON, XML, CSV and the like). Look for a page with the same content as text.`,
  );
}

export interface Readable {
  /** Title of an HTML page. */
  readonly title?: string;
  readonly text: string;
}

/**
 * The text of a page. HTML becomes its visible text with links and tables; anything else stays as it is.
 * @throws CopilotError `ToolFailed` if the content is not text, or is HTML that takes too long
 */
export async function readText(
  scope: Pick<Scope, 'tool'>,
  { url, contentType, content }: Fetched,
  signal: AbortSignal,
): Promise<Readable> {
  const isHtml = isHtmlType(contentType, content);
  const source = decode(content, contentType, isHtml);
  if (source.includes('\0')) {
    throw refusal(
      scope,
      `the content of ${shown(url.href)} is binary, and fetch_url reads only text. Use another URL.`,
    );
  }
  if (!isHtml) return { text: source };
  const outcome = await runSeparately(
    textOfHtml,
    { html: source, base: url.href, maxDepth: MAX_DEPTH, library: libraryPath() },
    { timeoutMs: TIME_LIMIT_MS, memoryMiB: MEMORY_LIMIT_MIB, signal },
  );
  if ('value' in outcome) return outcome.value;
  const problem = 'error' in outcome ? outcome.error : `it needs too much ${outcome.stopped}`;
  throw refusal(scope, `the HTML of ${shown(url.href)} cannot be read (${problem}). Use another URL.`);
}

function typeOf(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

function isHtmlType(contentType: string, content: Buffer): boolean {
  const type = typeOf(contentType);
  if (type === '') return /^\s*<(!doctype html|html)\b/i.test(content.toString('latin1', 0, SNIFFED_BYTES));
  return type === 'text/html' || type === 'application/xhtml+xml';
}

/** Decodes by byte order mark, header, or the page's own declaration; otherwise as UTF-8, or else Windows-1252. */
function decode(content: Buffer, contentType: string, isHtml: boolean): string {
  const head = content.toString('latin1', 0, SNIFFED_BYTES);
  const mark = /^(?:(\u00ef\u00bb\u00bf)|(\u00ff\u00fe)|(\u00fe\u00ff))/.exec(head);
  const declared =
    /charset\s*=\s*["']?([\w.:-]+)/i.exec(contentType)?.[1] ??
    (isHtml ? /<meta[^>]+charset\s*=\s*["']?([\w.:-]+)/i.exec(head)?.[1] : undefined);
  const label = mark === null ? declared : (mark[1] && 'utf-8') || (mark[2] && 'utf-16le') || 'utf-16be';
  if (label !== undefined) {
    try {
      return new TextDecoder(label).decode(content);
    } catch {
      // No such encoding.
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return new TextDecoder('windows-1252').decode(content);
  }
}

function libraryPath(): string {
  return createRequire(import.meta.url).resolve('html-to-text');
}

interface HtmlInput {
  readonly html: string;
  readonly base: string;
  readonly maxDepth: number;
  readonly library: string;
}

/** Runs in the other process, so it uses only types of this module. */
function textOfHtml({ html, base, maxDepth, library }: HtmlInput, require: NodeJS.Require): Readable {
  // `require` is untyped; the package has no types of its own. https://www.npmjs.com/package/html-to-text
  const { convert } = require(library) as { convert: (html: string, options: object) => string };
  const absolute = (path: string): string => (URL.canParse(path, base) ? new URL(path, base).href : path);
  const skipped = ['img', 'svg', 'noscript', 'template', 'button', 'input', 'select', 'textarea', 'iframe'];
  const text = convert(html, {
    wordwrap: false,
    limits: { maxDepth },
    selectors: [
      ...skipped.map((selector) => ({ selector, format: 'skip' })),
      ...[1, 2, 3, 4, 5, 6].map((level) => ({ selector: `h${level}`, options: { uppercase: false } })),
      ...['section', 'dt', 'dd', 'tr', 'figure', 'figcaption', 'summary', 'details'].map((selector) => ({
        selector,
        format: 'block',
        options: { leadingLineBreaks: 1, trailingLineBreaks: 1 },
      })),
      // The library's own format for tables takes quadratic time.
      ...['td', 'th'].map((selector) => ({ selector, format: 'inlineSurround', options: { suffix: ' | ' } })),
      {
        selector: 'a',
        options: { hideLinkHrefIfSameAsText: true, linkBrackets: ['<', '>'], pathRewrite: absolute },
      },
    ],
  });
  const title = convert(html, {
    wordwrap: false,
    baseElements: { selectors: ['title'], returnDomByDefault: false },
    limits: { maxBaseElements: 1, maxDepth },
  });
  return title === '' ? { text } : { title, text };
}
