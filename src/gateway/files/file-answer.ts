/** A file of a session as an answer. Whatever is in it, no browser runs it in the gateway's name. */
import { posix } from 'node:path';
import { create as contentDisposition } from 'content-disposition';
import { getMimeType } from 'hono/utils/mime';
import type { OpenedFile } from '../../client.ts';
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
export function fileAnswer(file: OpenedFile, request: Headers, isPinned: boolean): Response {
  const { path, bytes, digest, imageType } = file;
  const etag = `"${digest}"`;
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
  const wanted = ifRange === null || ifRange === etag ? readRange(request.get('range'), bytes) : undefined;
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

const namesTag = (given: string | null, etag: string): boolean =>
  given !== null && given.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
