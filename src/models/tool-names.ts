/**
 * Names of tools as the chat completions API takes them: 1 to 64 letters, digits, "_" and "-". Ours may have dots
 * (`server.tool`) and be longer, and a name in an old conversation may be whatever a model once made up. Only requests
 * and replies have wire names; what is stored has ours.
 */
import { createHash } from 'node:crypto';
import { beginningOf } from '../contracts/text-cut.ts';

const MAX_NAME = 64;
/** Gemini wants a letter or "_" first. */
const ALLOWED = /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/;
const HASH_LENGTH = 8;

export interface ToolNames {
  readonly toWire: (name: string) => string;
  /** A name that was not offered comes back as it is. */
  readonly fromWire: (name: string) => string;
}

/** The name on the wire where nothing else has the same: `server.tool` is `server__tool`. */
export function wireName(name: string): string {
  if (ALLOWED.test(name)) return name;
  const plain = name
    .replaceAll('.', '__')
    .replace(/[^a-zA-Z0-9_-]/g, '_')
    .replace(/^(?=[^a-zA-Z_])/, '_');
  return plain !== '' && plain.length <= MAX_NAME ? plain : hashed(name, plain);
}

/** The names of one request: of different ones no two are the same on the wire, and the order changes nothing. */
export function toolNames(names: Iterable<string>): ToolNames {
  const all = new Set(names);
  const wanted = new Map<string, number>();
  for (const name of all) wanted.set(wireName(name), (wanted.get(wireName(name)) ?? 0) + 1);
  const toWire = new Map<string, string>();
  const fromWire = new Map<string, string>();
  for (const name of all) {
    const wire = wireName(name);
    // A name that needs no change keeps it, whoever else would like to have it.
    const isTaken = wire !== name && (wanted.get(wire) ?? 0) > 1;
    const own = isTaken ? hashed(name, wire) : wire;
    toWire.set(name, own);
    fromWire.set(own, name);
  }
  return { toWire: (name) => toWire.get(name) ?? wireName(name), fromWire: (name) => fromWire.get(name) ?? name };
}

function hashed(name: string, plain: string): string {
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_LENGTH);
  return `${beginningOf(plain, MAX_NAME - HASH_LENGTH - 1)}_${hash}`;
}
