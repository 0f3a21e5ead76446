/** What commands share: a connection during the command, and options in the form of the client. */
import { resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { CopilotClient } from '../client/copilot-client.ts';
import { type FollowsAs, thisProgram } from '../client/reading/presence.ts';
import type { CreateOptions } from '../client/creation/create-session.ts';
import { retry } from '../connection/retry.ts';
import { CopilotError, type ErrorType } from '../contracts/errors.ts';
import { Json } from '../contracts/json.ts';
import { dropUndefined } from '../client/defined-fields.ts';
import { optional, parseWholeNumber } from './numbers.ts';
import { paint, remark } from './terminal.ts';
import { type SettingFlags, settingsOf } from './people/settings.ts';

export interface CommonFlags {
  readonly json?: boolean;
}

/** Flags of commands that show what happens. */
export interface ShowFlags extends CommonFlags {
  readonly thinking?: boolean;
}

/** Flags of commands that create sessions. */
export interface CreateFlags extends CommonFlags, SettingFlags {
  readonly team?: string;
  readonly mode?: string;
  readonly user?: string;
  readonly name?: string;
  readonly id?: string;
  readonly attach?: readonly string[];
  readonly workspace?: string;
  readonly context?: readonly string[];
  readonly historyLimit?: string;
  readonly model?: string;
  readonly agent?: string;
}

/** Runs the work of a command with a client, and closes the client afterwards. */
export async function withClient<T>(work: (client: CopilotClient) => Promise<T>): Promise<T> {
  const client = await CopilotClient.connect();
  noteGuess(client);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Pause between attempts to reach a server, and between what is said about them. */
const SERVER_RETRY_MS = 1_000;
const WAITING_LOG_INTERVAL_MS = 60_000;
/** The server may still come. */
const ABSENT: readonly ErrorType[] = ['ServerUnreachable', 'HomeServerDown'];

/** Begins as soon as the server answers, and says that it waits. @throws what `work` throws for other reasons */
export async function whenServed<T>(work: () => Promise<T>): Promise<T> {
  let lastSaidMs = Number.NEGATIVE_INFINITY;
  const onFailure = (error: unknown): void => {
    if (!(error instanceof CopilotError) || !ABSENT.includes(error.type)) throw error;
    if (Date.now() - lastSaidMs < WAITING_LOG_INTERVAL_MS) return;
    remark(`${paint('yellow', 'waiting:')} ${error.message} It is retried automatically.`);
    lastSaidMs = Date.now();
  };
  return await retry(work, { firstPauseMs: SERVER_RETRY_MS, maxPauseMs: SERVER_RETRY_MS, onFailure });
}

/** This command as a follower of a session. */
export function thisCli(): FollowsAs {
  return { name: thisProgram(), kind: 'cli' };
}

/** Says which server is used if nobody named one. */
export function noteGuess({ guess }: CopilotClient): void {
  if (guess !== undefined) remark(`${paint('yellow', 'note:')} ${guess}`);
}

/** Turns flags into options of the client. @throws CopilotError `InvalidInput` for malformed values */
export function createOptions(flags: CreateFlags, message?: string): CreateOptions {
  const { team, mode, user, name, id, attach, workspace, context, historyLimit, model, agent } = flags;
  const config = dropUndefined({
    workspace: workspace === undefined ? undefined : resolve(workspace),
    ...settingsOf(flags),
    model,
    agent,
    historyLimit: optional(parseWholeNumber, '--history-limit', historyLimit),
  });
  return dropUndefined({
    team,
    mode,
    user,
    name,
    id,
    attach: attach && [...attach],
    context: context && parsePairs('--context', context),
    message,
    config,
  });
}

/** The message of a command; `-` reads it from stdin. */
export async function readMessage(message: string | undefined): Promise<string | undefined> {
  return message === '-' ? await readAll(process.stdin) : message;
}

/** Parses the `key=value` pairs of an option. @throws CopilotError `InvalidInput` */
export function parsePairs(option: string, pairs: readonly string[]): Record<string, Json> {
  const values: [string, Json][] = pairs.map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) throw new CopilotError('InvalidInput', { what: `${option} ${pair}`, problem: 'use key=value' });
    return [pair.slice(0, at), parseValue(pair.slice(at + 1))];
  });
  return Object.fromEntries(values);
}

/** A value on the command line: JSON if it parses as JSON, else text. */
export function parseValue(text: string): Json {
  try {
    return Json.parse(JSON.parse(text));
  } catch {
    return text;
  }
}
