/** `copilot save`, `load` and `delete`. */
import { z } from 'zod';
import { checkInput } from '../../client/checked-input.ts';
import type { SavedSession } from '../../client/session/context-changes.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import type { LoadedSession } from '../../contracts/messages.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { messageText } from './show.ts';
import { paint, printResult } from '../terminal.ts';
import { changeText } from './context.ts';
import { readJson, versionOption, type VersionFlags } from './json-file.ts';
import { changeSessions, isConfirmed, type ManyFlags } from './many.ts';

/** Output of `load --json`, which has more fields than `save` takes. */
const Loaded = z.object({ sessionId: z.string(), version: z.int() });
const SAVED_FIELDS = ['conversation', 'context', 'phase', 'step', 'plan'];
/** The client checks the fields one by one. */
const Saveable = z.looseObject({}, { error: 'use an object with conversation, context, phase and step' });

export async function runSave(id: string, path: string, flags: VersionFlags): Promise<void> {
  const version = versionOption(flags);
  const given = checkInput(Saveable, await readJson(path), path === '-' ? 'stdin' : path);
  const loaded = Loaded.safeParse(given).data;
  const session = (loaded === undefined
    ? given
    : Object.fromEntries(
        Object.entries(given).filter(([name]) => SAVED_FIELDS.includes(name)),
      )) as unknown as SavedSession; // the client checks it
  // Saving an edited file must not undo what others have changed since it was loaded.
  const options = loaded === undefined ? version : { expectedVersion: loaded.version, ...version };
  await withClient(async (client) => {
    const report = await client.session(id).save(session, options);
    printResult(flags.json, { sessionId: id, ...report }, () => changeText(id, report));
  });
}

export async function runLoad(id: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const session = await client.session(id).load();
    printResult(json, session, () => loadedText(session));
  });
}

function loadedText({
  sessionId,
  mode,
  status,
  phase,
  step,
  plan,
  context,
  conversation,
  version,
  updatedAt,
}: LoadedSession): string {
  return [
    paint('bold', `Session ${sessionId} · ${mode} · ${status} · version ${version} · ${updatedAt}`),
    `Phase ${phase ?? '-'}, step ${step ?? '-'}`,
    `Context ${JSON.stringify(context, undefined, 2)}`,
    ...(plan === null ? [] : [`Plan ${JSON.stringify(plan, undefined, 2)}`]),
    ...conversation.map((message) => `\n${messageText(message)}`),
  ].join('\n');
}

/** Without a yes nothing is deleted. */
export async function runDelete(id: string | undefined, flags: ManyFlags): Promise<void> {
  const { json, yes } = flags;
  const remove = async (session: SessionHandle): Promise<{ deleted: true }> => {
    await session.delete();
    return { deleted: true };
  };
  if (id !== undefined && !flags.all && !yes) {
    // An unknown session is reported before the question.
    await withClient(async (client) => void (await client.session(id).describe()));
    if (!(await isConfirmed(`delete ${id}`, ' with its history and its files, which cannot be undone'))) {
      return printResult(json, { sessionId: id, deleted: false }, () => `${id} was not deleted`);
    }
  }
  await changeSessions(id, flags, { verb: 'delete', work: remove, show: (sessionId) => `${sessionId} was deleted` });
}
