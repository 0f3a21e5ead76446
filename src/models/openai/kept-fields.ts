/** Fields of a reply that nobody here reads, put together from the pieces of a stream, so that they go back as the server sent them. */
import { Json } from '../../contracts/json.ts';

type Fields = { readonly [name: string]: Json };

/** Adds the fields of a piece that nobody reads: texts are continued, lists grow, objects are filled in. */
export function keep(
  into: Record<string, Json>,
  piece: Readonly<Record<string, unknown>>,
  read: ReadonlySet<string>,
): void {
  for (const [name, value] of Object.entries(piece)) {
    const parsed = Json.safeParse(value);
    if (read.has(name) || value === null || value === '' || !parsed.success) continue;
    into[name] = merged(into[name], parsed.data);
  }
}

/** Names of texts that tell what a thing is, and do not grow. */
const FIXED = new Set(['id', 'type', 'format', 'signature', 'index']);

function merged(before: Json | undefined, more: Json, name = ''): Json {
  if (before === undefined) return more;
  if (typeof before === 'string' && typeof more === 'string') return FIXED.has(name) ? more || before : before + more;
  if (Array.isArray(before) && Array.isArray(more)) return mergedLists(before as Json[], more as Json[]);
  if (isRecord(before) && isRecord(more)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(more)])];
    return Object.fromEntries(
      names.map((key) => {
        const next = more[key];
        return [key, next === undefined || next === null ? (before[key] ?? null) : merged(before[key], next, key)];
      }),
    );
  }
  return more;
}

function mergedLists(before: readonly Json[], more: readonly Json[]): Json[] {
  const list = [...before];
  for (const item of more) {
    const at = isRecord(item) ? list.findLastIndex((known) => isRecord(known) && isPieceOf(known, item, list)) : -1;
    const known = list[at];
    if (known === undefined) list.push(item);
    else list[at] = isWholeAgain(known, item) ? item : merged(known, item);
  }
  return list;
}

/** Pieces of one element have its index. Gateways before Claude leave it out: there a signature ends each block. */
function isPieceOf(known: Fields, piece: Fields, list: readonly Json[]): boolean {
  if (known['type'] !== piece['type']) return false;
  if (typeof piece['index'] === 'number') return known['index'] === piece['index'] && !haveOtherIds(known, piece);
  return typeof piece['thinking'] === 'string' && known === list.at(-1) && !known['signature'];
}

/** Some gateways give every element the same index. */
function haveOtherIds({ id }: Fields, { id: other }: Fields): boolean {
  return typeof id === 'string' && typeof other === 'string' && id !== other;
}

/** Some gateways send the whole block at last, behind its pieces. */
function isWholeAgain(known: Json, item: Json): boolean {
  if (!isRecord(known) || !isRecord(item) || typeof known['thinking'] !== 'string') return false;
  return known['thinking'] !== '' && known['thinking'] === item['thinking'] && Boolean(item['signature']);
}

function isRecord(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
