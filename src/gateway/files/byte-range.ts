/** The header `Range`: https://www.rfc-editor.org/rfc/rfc9110#name-range-requests */
import type { ByteRange } from '../../client.ts';

/**
 * What a caller wants of `bytes` bytes.
 * @returns undefined for all of them: without a range, and for several ranges, which a server may leave unanswered
 */
export function readRange(header: string | null, bytes: number): ByteRange | 'outside' | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || first + last === '') return undefined;
  const isSuffix = first === '';
  const from = isSuffix ? Math.max(0, bytes - Number(last)) : Number(first);
  const to = isSuffix || last === '' ? bytes : Math.min(bytes, Number(last) + 1);
  if (!isSuffix && last !== '' && Number(last) < from) return undefined;
  return from < to ? { from, to } : 'outside';
}
