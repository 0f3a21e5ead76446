/** A file of a session as an answer. Whatever is in it, no browser runs it in the gateway's name. */
import { posix } from 'node:path';
import { create as contentDisposition } from 'content-disposition';
import { getMimeType } from 'hono/utils/mime';
import type { OpenedFile } from '../../client.ts';
import { GatewayError } from '../problem.ts';
import { readRange } from './byte-range.ts';

/** A page that a session wrote has no scripts, no forms and no origin, should a browser show it after all. */
const SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'";
/** A year: what is asked for by its digest never changes. */
const FOR_EVER = 'private, max-age=31536000, immutable';

const TEXT = 'text/plain; charset=utf-8';
/** Types of names that Hono's table does not have, or has for something else. */
const TYPES: Readonly<Record<string, string>> = {
  log: TEXT,
  md: 'text/markdown; charset=utf-8',
  py: TEXT,
  sql: TEXT,
  ts: TEXT,
  tsv: 'text/tab-separated-values; charset=utf-8',
  yaml: 'application/yaml',
  yml: 'application/yaml',
};

/** @param isPinned whether the caller named the digest that the file has */
export function fileAnswer(
  file: OpenedFile,
  { method, headers: request }: Pick<Request, 'method' | 'headers'>,
  isPinned: boolean,
): Response {
  const { path, bytes, imageType } = file;
  const etag = etagOf(file);
  const headers = {
    'content-type': imageType ?? getMimeType(path, TYPES) ?? getMimeType(path) ?? 'application/octet-stream',
    'content-disposition': contentDisposition(posix.basename(path).toWellFormed()),
    'content-security-policy': SANDBOX,
    'cache-control': isPinned ? FOR_EVER : 'private, no-cache',
    'accept-ranges': 'bytes',
    etag,
  };
  if (namesTag(request.get('if-none-match'), etag)) return new Response(null, { status: 304, headers });
  const ifRange = request.get('if-range');
  // Only GET has ranges: https://www.rfc-editor.org/rfc/rfc9110#name-range
  const isRanged = method === 'GET' && (ifRange === null || ifRange === etag);
  const wanted = isRanged ? readRange(request.get('range'), bytes) : undefined;
  if (wanted === 'outside') {
    return new Response(null, { status: 416, headers: { ...headers, 'content-range': `bytes */${bytes}` } });
  }
  const { from, to } = wanted ?? { from: 0, to: bytes };
  const body = ReadableStream.from(file.read({ from, to }));
  const length = { 'content-length': String(to - from) };
  if (wanted === undefined) return new Response(body, { headers: { ...headers, ...length } });
  const part = { 'content-range': `bytes ${from}-${to - 1}/${bytes}` };
  return new Response(body, { status: 206, headers: { ...headers, ...length, ...part } });
}

const etagOf = ({ digest }: Pick<OpenedFile, 'digest'>): string => `"${digest}"`;

const namesTag = (given: string | null, etag: string): boolean =>
  given !== null && given.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag);

/**
 * Checks what a caller says of a file that it is about to write or delete, so that it replaces no other one than it
 * means: https://www.rfc-editor.org/rfc/rfc9110#name-preconditions
 * @param file as it is now, undefined if there is none
 * @throws GatewayError `PreconditionFailed`
 */
export function checkPreconditions(file: Pick<OpenedFile, 'digest'> | undefined, request: Headers): void {
  const wanted = request.get('if-match');
  const unwanted = request.get('if-none-match');
  if (wanted !== null && (file === undefined || !namesTag(wanted, etagOf(file)))) {
    throw new GatewayError('PreconditionFailed', `If-Match does not match: ${nowIs(file)}.`);
  }
  if (unwanted !== null && file !== undefined && namesTag(unwanted, etagOf(file))) {
    throw new GatewayError('PreconditionFailed', `If-None-Match matches: ${nowIs(file)}.`);
  }
}

const nowIs = (file: Pick<OpenedFile, 'digest'> | undefined): string =>
  file === undefined ? 'there is no such file' : `the ETag of the file is ${etagOf(file)}`;
