/** `copilot context …`, `snapshots`, `restore` and `diff`. */
import { z } from 'zod';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import type { MergeContextOptions } from '../../client/session/context-changes.ts';
import { contextValue } from '../../client/reading/context-value.ts';
import type { Change, ContextDiff, ContextSize, ContextState, SnapshotInfo } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { ChangeReport } from '../../contracts/messages.ts';
import type { SavePayload } from '../../contracts/payloads.ts';
import { type CommonFlags, parsePairs, parseValue, withClient } from '../connected.ts';
import { table } from '../table.ts';
import { printResult, paint, say, sayJson, shorten } from '../terminal.ts';
import { readJson, snapshotRef, versionOption, type VersionFlags, writeJson } from './json-file.ts';

export interface SetFlags extends VersionFlags {
  readonly protect?: boolean;
  readonly ephemeral?: boolean;
}

export interface MergeFlags extends VersionFlags {
  readonly strategy?: string;
  readonly prefix?: string;
}

export interface GetFlags extends CommonFlags {
  readonly default?: string;
}

export interface SnapshotFlags extends VersionFlags {
  readonly metadata?: readonly string[];
}

export async function runContextGet(id: string, key: string | undefined, flags: GetFlags): Promise<void> {
  const { json, default: fallback } = flags;
  await withClient(async (client) => {
    const view = await client.session(id).context();
    if (key === undefined) return printResult(json, view, () => JSON.stringify(view.values, undefined, 2));
    const found = contextValue(view.values, key);
    const value = found === undefined && fallback !== undefined ? parseValue(fallback) : found;
    if (value === undefined) {
      const names = Object.keys(view.values).slice(0, 20).join(', ') || 'none';
      throw new CopilotError('InvalidInput', {
        what: `key "${key}"`,
        problem: `it is not set; the keys are ${names}`,
      });
    }
    const { protectedKeys, ephemeralKeys, version } = view;
    const marks = { protected: protectedKeys.includes(key), ephemeral: ephemeralKeys.includes(key) };
    printResult(json, { key, value, version, ...marks }, () =>
      typeof value === 'string' ? value : JSON.stringify(value, undefined, 2),
    );
  });
}

/** Its exit code is 1 if the key has no value. */
export async function runContextHas(id: string, key: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const has = await client.session(id).hasContext(key);
    printResult(json, { key, has }, () => String(has));
    if (!has) process.exitCode = 1;
  });
}

export async function runContextClear(id: string, flags: VersionFlags): Promise<void> {
  await change(id, flags, (session, version) => session.clearEphemeral(version));
}

export async function runContextSave(id: string, path: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const saved = await client.session(id).savedContext();
    if (path === '-') return json ? sayJson(saved) : say(JSON.stringify(saved, undefined, 2));
    await writeJson(path, saved);
    printResult(json, { sessionId: id, file: path }, () => `the context of ${id} was written to ${path}`);
  });
}

export async function runContextLoad(id: string, path: string, flags: VersionFlags): Promise<void> {
  const file = await readJson(path);
  const { data: exported } = z.object({ format: z.string(), context: z.unknown() }).safeParse(file);
  const saved = (exported ? exported.context : file) as ContextState; // the client checks it
  await change(id, flags, (session, version) => session.loadContext(saved, version));
}

export async function runContextSet(id: string, key: string, text: string, flags: SetFlags): Promise<void> {
  const { protect, ephemeral } = flags;
  await change(id, flags, (session, version) =>
    session.setContext(key, parseValue(text), { protect, ephemeral, ...version }),
  );
}

export async function runContextDelete(id: string, key: string, flags: VersionFlags): Promise<void> {
  await change(id, flags, (session, version) => session.deleteContext(key, version));
}

export async function runContextMerge(id: string, path: string, flags: MergeFlags): Promise<void> {
  const values = (await readJson(path)) as SavePayload['context']; // the client checks it
  const { strategy, prefix } = flags;
  // The client checks the strategy, and its error lists the valid ones.
  const options = { strategy: strategy as MergeContextOptions['strategy'], prefix };
  await change(id, flags, (session, version) => session.mergeContext(values, { ...options, ...version }));
}

export async function runContextSnapshot(id: string, reason: string, flags: SnapshotFlags): Promise<void> {
  const options = versionOption(flags);
  const metadata = flags.metadata && parsePairs('--metadata', flags.metadata);
  await withClient(async (client) => {
    const report = await client.session(id).snapshot(reason, { ...options, metadata });
    const { id: snapshotId, version } = report.snapshot;
    printResult(flags.json, { sessionId: id, ...report }, () => `${snapshotId} of context version ${version}`);
  });
}

export async function runRestore(id: string, ref: string, flags: VersionFlags): Promise<void> {
  await change(id, flags, (session, version) => session.restoreContext(snapshotRef(ref), version));
}

async function change(
  id: string,
  flags: VersionFlags,
  work: (session: SessionHandle, version: { expectedVersion?: number }) => Promise<ChangeReport>,
): Promise<void> {
  const version = versionOption(flags);
  await withClient(async (client) => {
    const report = await work(client.session(id), version);
    printResult(flags.json, { sessionId: id, ...report }, () => changeText(id, report));
  });
}

/** The outcome of a change in one line. */
export function changeText(id: string, { changed, version, contextVersion, skipped }: ChangeReport): string {
  const kept = skipped.length === 0 ? '' : `; kept as they were: ${skipped.join(', ')}`;
  return `${id}: ${changed ? 'changed' : 'nothing changed'}, version ${version}, context version ${contextVersion}${kept}`;
}

export async function runContextChanges(id: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const list = await client.session(id).changes();
    printResult(json, { changes: list }, () => changesText(list));
  });
}

function changesText(list: readonly Change[]): string {
  if (list.length === 0) return 'No changes.';
  const rows = list.map(({ version, timestamp, op, ephemeral, strategy, from, keys, count }) => [
    String(version),
    timestamp,
    `${op}${strategy === undefined ? '' : ` (${strategy})`}${ephemeral ? ' (ephemeral)' : ''}`,
    `${shorten(keys.join(', '), 80)}${count > keys.length ? ` and ${count - keys.length} more` : ''}`,
    from === undefined ? '' : from.id,
  ]);
  return table(['VERSION', 'AT', 'CHANGE', 'KEYS', 'FROM'], rows);
}

export async function runContextSize(id: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const sizes = await client.session(id).contextSize();
    printResult(json, sizes, () => sizeText(sizes));
  });
}

function sizeText({ bytes, limitBytes, keys, ephemeralBytes, snapshotsBytes }: ContextSize): string {
  return [
    `${bytes} bytes of ${limitBytes}; ephemeral ${ephemeralBytes}, snapshots ${snapshotsBytes}`,
    ...(keys.length === 0
      ? []
      : [
          table(
            ['KEY', 'BYTES'],
            keys.map((entry) => [entry.key, String(entry.bytes)]),
          ),
        ]),
  ].join('\n');
}

export async function runSnapshots(id: string, ref: string | undefined, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    if (ref !== undefined) {
      const snapshot = await client.session(id).getSnapshot(snapshotRef(ref));
      return printResult(json, snapshot, () => JSON.stringify(snapshot, undefined, 2));
    }
    const list = await client.session(id).snapshots();
    printResult(json, { snapshots: list }, () => snapshotsText(list));
  });
}

function snapshotsText(list: readonly SnapshotInfo[]): string {
  if (list.length === 0) return 'No snapshots.';
  const rows = list.map(({ id, version, timestamp, reason, kind, also = [], metadata }) => [
    id,
    String(version),
    timestamp,
    kind,
    [reason, ...also.map((moment) => moment.reason)].map((text) => shorten(text, 60)).join(', '),
    typeof metadata['turn'] === 'number' ? String(metadata['turn']) : '',
  ]);
  return table(['ID', 'VERSION', 'AT', 'KIND', 'REASON', 'TURN'], rows);
}

export async function runDiff(id: string, from: string, to: string | undefined, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const difference = await client.session(id).contextDiff(snapshotRef(from), snapshotRef(to ?? 'present'));
    printResult(json, difference, () => diffText(difference));
  });
}

function diffText({ added, removed, changed, more }: ContextDiff): string {
  const lines = [
    ...added.map((entry) => paint('green', `+ ${entry.path}: ${shorten(entry.new.json)}`)),
    ...removed.map((entry) => paint('red', `- ${entry.path}: ${shorten(entry.old.json)}`)),
    ...changed.map((entry) =>
      paint('yellow', `~ ${entry.path}: ${shorten(entry.old.json)} → ${shorten(entry.new.json)}`),
    ),
    ...(more === 0 ? [] : [`and ${more} more`]),
  ];
  return lines.join('\n') || 'No difference.';
}
