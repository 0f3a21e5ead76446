/**
 * What calls with outside effects are about to do, written into the workspace before they do it. If the worker of a call
 * dies before it could report, another one reads here how far the call came.
 *
 * Each attempt of a call has one file, which only one process can create: the call itself, which may then take effect,
 * or {@link settleEffect}, after which it may not. So a worker that was frozen before its effect cannot make up for it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, realpath, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { type Json, parseJson } from '../../contracts/json.ts';
import type { AnnouncedEffect } from '../definition/tool.ts';
import { refusal } from '../refusal.ts';
import { codeOf, undefinedIfMissing } from './file-problems.ts';
import { childPath, type OpenFolder, openFolder, type Scope, TEMPORARY_PREFIX } from './paths.ts';

/** In the workspace, since whoever takes over has the same workspace, and perhaps nothing else in common. */
const FOLDER = `${TEMPORARY_PREFIX}effects`;
const REVOKED = 'revoked';
/** Of each part of a file's name. */
const PART_LENGTH = 12;
const DONE = '\ndone\n';
/** Files of earlier calls are removed after this time. It is longer than any takeover. */
const KEPT_MS = 10 * 60_000;

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const MARK_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;

/** Tells this process from others with the same id, earlier or in another container. */
const instance = randomUUID();

const Record = z.object({
  owner: z.object({ pid: z.int(), host: z.string(), instance: z.string() }),
  trace: z.custom<Json>((value) => value !== undefined),
  result: z.object({ text: z.string(), artifacts: z.array(z.string()) }),
});
type Record = z.infer<typeof Record>;

/** One attempt of a call. */
export interface CallAttempt {
  readonly session: string;
  /** `turn/step/round/call`. */
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
}

/** How far an attempt came. */
export type Settled =
  /** It has no effect, and never will. */
  | { readonly state: 'revoked' }
  | { readonly state: 'done'; readonly result: AnnouncedEffect['result'] }
  /** It was about to take effect. `mayGoOn`: its process lives, as far as one can see from here. */
  | {
      readonly state: 'announced';
      readonly effect: AnnouncedEffect;
      /** Traces of what other calls announced in this workspace. */
      readonly others: readonly Json[];
      readonly mayGoOn: boolean;
    };

/** @throws CopilotError `ToolFailed` if the attempt was revoked */
export async function announceEffect(scope: Scope, call: CallAttempt, effect: AnnouncedEffect): Promise<void> {
  await inFolder(scope, async (folder) => {
    await removeOld(folder, call);
    const record: Record = {
      owner: { pid: process.pid, host: hostname(), instance },
      trace: effect.trace,
      result: { text: effect.result.text, artifacts: [...(effect.result.artifacts ?? [])] },
    };
    if (await create(folder, call, JSON.stringify(record))) return;
    throw refusal(scope, 'another worker has taken over this call, so it was not made here');
  });
}

/** Notes that an announced effect took place. */
export async function markDone(scope: Scope, call: CallAttempt): Promise<void> {
  await inFolder(scope, async (folder) => {
    const handle = await open(childPath(folder, nameOf(call)), MARK_FLAGS);
    try {
      await handle.writeFile(DONE);
    } finally {
      await handle.close();
    }
  });
}

/** Finds out how far an attempt came. If it has not announced anything, it cannot any more. */
export async function settleEffect(scope: Scope, call: CallAttempt): Promise<Settled> {
  return await inFolder(scope, async (folder): Promise<Settled> => {
    if (await create(folder, call, REVOKED)) return { state: 'revoked' };
    const text = await readRecord(folder, nameOf(call));
    if (text === REVOKED) return { state: 'revoked' };
    const { owner, trace, result } = Record.parse(JSON.parse(text.replace(DONE, '')));
    if (text.endsWith(DONE)) return { state: 'done', result };
    const others = await readOthers(folder, call);
    return { state: 'announced', effect: { trace, result }, others, mayGoOn: mayLive(owner) };
  });
}

async function readRecord(folder: OpenFolder, name: string): Promise<string> {
  const handle = await open(childPath(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function readOthers(folder: OpenFolder, call: CallAttempt): Promise<Json[]> {
  const others: Json[] = [];
  for (const name of await readdir(childPath(folder, '.'))) {
    if (name.startsWith(`${partsOf(call).join('-')}.`)) continue;
    const text = await readRecord(folder, name).catch(undefinedIfMissing);
    // Without a whole record nothing was announced yet.
    const { data } = Record.safeParse(parseJson(text?.replace(DONE, '') ?? ''));
    if (data) others.push(data.trace);
  }
  return others;
}

function mayLive({ pid, host, instance: other }: Record['owner']): boolean {
  if (other === instance) return false; // our own calls are settled from memory while they run
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/** @returns whether the file is new. It is on the disk then. */
async function create(folder: OpenFolder, call: CallAttempt, text: string): Promise<boolean> {
  try {
    const handle = await open(childPath(folder, nameOf(call)), CREATE_FLAGS, 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await folder.handle.sync();
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function inFolder<T>(scope: Scope, work: (folder: OpenFolder) => Promise<T>): Promise<T> {
  const root = await realpath(scope.workspace);
  const folder = await openFolder(scope, root, FOLDER, FOLDER, { create: true });
  try {
    return await work(folder);
  } finally {
    await folder.handle.close();
  }
}

/** Removes what the session's earlier turns and the step's earlier rounds left: their calls are settled. */
async function removeOld(folder: OpenFolder, call: CallAttempt): Promise<void> {
  const [session, turn, part, round] = partsOf(call);
  for (const name of await readdir(childPath(folder, '.'))) {
    const [ofSession, ofTurn, ofPart, ofRound] = name.split('-');
    const isEarlier = ofTurn !== turn || (ofPart === part && ofRound !== round);
    if (ofSession !== session || !isEarlier) continue;
    const path = childPath(folder, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > KEPT_MS) await unlink(path);
  }
}

function nameOf(call: CallAttempt): string {
  return `${partsOf(call).join('-')}.${call.attempt}`;
}

/** Session, turn, step, round and call as they are in the names of files. */
function partsOf({ session, key }: CallAttempt): string[] {
  return [session, ...key.split('/')].map((text) =>
    createHash('sha256').update(text).digest('hex').slice(0, PART_LENGTH),
  );
}
