/** `copilot export`, `import` and `fork`. */
import type { ImportedSession } from '../../client/copilot-client.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { optional, parseWholeNumber } from '../numbers.ts';
import { printResult, remark, sayJson } from '../terminal.ts';
import { readJson, snapshotRef, writeJson } from './json-file.ts';
import { changeSessions, type ManyFlags } from './many.ts';

export interface ImportFlags extends CommonFlags {
  readonly id?: string;
  readonly archived?: string;
  readonly keepId?: boolean;
  readonly name?: string;
  readonly user?: string;
  readonly trust?: boolean;
}

export interface ForkFlags extends ManyFlags {
  readonly turn?: string;
  readonly snapshot?: string;
  readonly id?: string;
  readonly name?: string;
}

export async function runExport(id: string, path: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const file = await client.session(id).export();
    if (path === '-') return sayJson(file, json ? undefined : 2);
    await writeJson(path, file);
    printResult(json, { sessionId: id, file: path }, () => `${id} was written to ${path}`);
  });
}

export async function runImport(path: string | undefined, flags: ImportFlags): Promise<void> {
  const { archived, id, keepId, name, user, trust, json } = flags;
  if ((path === undefined) === (archived === undefined)) {
    throw new CopilotError('InvalidInput', { what: 'import', problem: 'name a file, or a session with --archived' });
  }
  const given = path === undefined ? undefined : await readJson(path);
  await withClient(async (client) => {
    const file = archived === undefined ? given : await client.archived(archived);
    const session = await client.import(file, { id, keepId, name, user, trust });
    const { grants, webUrl = null } = session;
    printResult(json, { sessionId: session.id, webUrl, grants, trusted: trust ?? false }, () =>
      createdText(createdOf(session)),
    );
    if (json) return;
    const trusted = 'Taken over from the file (--trust):';
    const leftOut = 'Left out of what the file would grant (--trust takes it over):';
    remarkGrants(
      trust ? trusted : leftOut,
      grants.filter(({ isTrustable }) => isTrustable),
    );
    remarkGrants(
      'Left out, with --trust too:',
      grants.filter(({ isTrustable }) => !isTrustable),
    );
  });
}

function remarkGrants(heading: string, grants: ImportedSession['grants']): void {
  if (grants.length === 0) return;
  remark(heading);
  for (const { what, value, why } of grants) remark(`  ${what} = ${JSON.stringify(value)}: ${why}`);
}

export async function runFork(id: string | undefined, flags: ForkFlags): Promise<void> {
  const { turn, snapshot, id: newId, all, name } = flags;
  if (all && (newId ?? name) !== undefined) {
    const problem = 'many sessions cannot share one; leave it out';
    throw new CopilotError('InvalidInput', { what: newId === undefined ? '--name' : '--id', problem });
  }
  const options = {
    turn: optional(parseWholeNumber, '--turn', turn),
    snapshot: snapshot === undefined ? undefined : snapshotRef(snapshot),
    id: newId,
    name,
  };
  const fork = async (session: SessionHandle): Promise<Created> => createdOf(await session.fork(options));
  await changeSessions(id, flags, {
    verb: 'fork',
    work: async (session) => ({ from: session.id, ...(await fork(session)) }),
    show: (from, created) => (all ? `${from} → ${created.sessionId}` : createdText(created)),
  });
}

/** A new session, in the form that `start` has. */
interface Created {
  readonly sessionId: string;
  readonly webUrl: string | null;
}

const createdOf = ({ id, webUrl }: SessionHandle): Created => ({ sessionId: id, webUrl: webUrl ?? null });

const createdText = ({ sessionId, webUrl }: Created): string =>
  [sessionId, ...(webUrl === null ? [] : [webUrl])].join('\n');
