/** `copilot save`, `load` and `delete`. */
import { createInterface } from 'node:readline/promises';
import { z } from 'zod';
import { checkInput } from '../../client/checked-input.ts';
import type { SavedSession } from '../../client/session/context-changes.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { LoadedSession } from '../../contracts/messages.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { messageText } from './show.ts';
import { printResult, paint } from '../terminal.ts';
import { changeText } from './context.ts';
import { readJson, versionOption, type VersionFlags } from './json-file.ts';

/** What `load --json` gives: the fields that `save` takes, and others that it does not. */
const Loaded = z.object({ sessionId: z.string(), version: z.int() });
const SAVED_FIELDS = ['conversation', 'context', 'phase', 'step', 'plan'];
/** As much as the client needs to look at it; it checks the fields one by one. */
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
  // What was loaded and edited must not undo what others have done since.
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

export async function runDelete(id: string, { json, yes }: CommonFlags & { readonly yes?: boolean }): Promise<void> {
  await withClient(async (client) => {
    const session = client.session(id);
    // An unknown one is told before anything is asked.
    await session.describe();
    if (!yes && !(await isConfirmed(id))) {
      return printResult(json, { sessionId: id, deleted: false }, () => `${id} stays`);
    }
    await session.delete();
    printResult(json, { sessionId: id, deleted: true }, () => `${id} is deleted`);
  });
}

/** @throws CopilotError `InvalidInput` where there is nobody to ask */
async function isConfirmed(id: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CopilotError('InvalidInput', { what: `delete ${id}`, problem: 'it cannot be undone; say so with --yes' });
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await lines.question(
      `Delete session ${id} with its history and its files? It cannot be undone. [y/N] `,
    );
    return /^y(es)?$/i.test(said.trim());
  } finally {
    lines.close();
  }
}
