/**
 * Recordings of sessions: each plays one session on a real server, with a team and a model script of its own, so that
 * many can run side by side. `scripts/histories.ts` stores their histories and `replay.test.ts` replays them.
 */
import assert from 'node:assert/strict';
import type { Client } from '@temporalio/client';
import type { CopilotClient, CreateOptions, SessionHandle, TurnView } from '../../src/client.ts';
import { until } from '../helpers/history.ts';
import type { RecordedRequest } from '../helpers/model-server.ts';
import type { TeamChanges } from '../helpers/own-team.ts';
import type { Stranger } from '../helpers/raw-messages.ts';
import type { TestServer } from '../helpers/server.ts';
import { readCall, type ScriptedCall, type TeamScript } from '../helpers/team-script.ts';
import type { WorkerProcess } from '../helpers/worker.ts';

/** What a recording has for itself. The names of the recording, its team and its session are the same. */
export interface Stage {
  readonly name: string;
  readonly server: TestServer;
  readonly copilot: CopilotClient;
  readonly temporal: Client;
  readonly stranger: Stranger;
  /** Replaces the model's script. */
  readonly play: (script: TeamScript) => void;
  /** Calls of the recording's model so far. */
  readonly requests: () => RecordedRequest[];
  /** Creates the session. Default mode: `one-shot`. */
  readonly create: (options?: CreateOptions) => Promise<SessionHandle>;
  /** Starts a worker process on the recording's own task queue. */
  readonly startWorker: (env?: Record<string, string>) => Promise<WorkerProcess>;
}

export interface Setting {
  /** Changes of the recording's team. */
  readonly team?: TeamChanges;
  /** What the model plays first. */
  readonly script?: TeamScript;
  /** Whether the recording has a task queue of its own, on which it starts workers itself. Default false. */
  readonly ownWorkers?: boolean;
}

export interface Recording extends Setting {
  readonly name: string;
  readonly perform: (stage: Stage) => Promise<void>;
}

/** In the order of their definition. */
export const recordings: Recording[] = [];

/** Adds a recording. Its name says what happens in it; the workflow with that id is stored. */
export function record(name: string, setting: Setting, perform: (stage: Stage) => Promise<void>): void {
  assert.ok(!recordings.some((other) => other.name === name), `two recordings are called ${name}`);
  recordings.push({ ...setting, name, perform });
}

/** Names of the files of a recording: of its only run, or of its first and its last one. */
export function fileNames(name: string, runs: number): string[] {
  return runs === 1 ? [`${name}.json`] : [`${name}-first-run.json`, `${name}-last-run.json`];
}

/** Name of the recording that a file belongs to. */
export function recordingOf(file: string): string {
  return file.replace(/(-first-run|-last-run)?\.json$/, '');
}

/** Waits for the end of a turn, and for its outcome to be this one. */
export async function ended(session: SessionHandle, turnId = 'turn-1', status = 'completed'): Promise<TurnView> {
  const turn = await session.awaitTurn(turnId);
  assert.equal(turn.status, status, `${session.id}: ${JSON.stringify(turn.error)}`);
  return turn;
}

/** Sends, and waits for this outcome. */
export async function exchange(session: SessionHandle, text: string, status = 'completed'): Promise<TurnView> {
  const turn = await session.send(text);
  assert.equal(turn.status, status, `${session.id}: ${JSON.stringify(turn.error)}`);
  return turn;
}

/** The first call of the recording's model that this matches, as soon as there is one. */
export async function modelCall(stage: Stage, isMatch: (call: ScriptedCall) => boolean): Promise<RecordedRequest> {
  return await until('a call of the model', async () => stage.requests().find(({ body }) => isMatch(readCall(body))));
}

/** Text that streams for so long that a call can be stopped in its middle. */
export const LONG_TALK: TeamScript = {
  answer: Array.from({ length: 300 }, (_, index) => `word${index}`).join(' '),
  wordDelayMs: 100,
};

/** Waits until the session has heard some of the text that streams. */
export async function untilTalking(session: SessionHandle): Promise<void> {
  for await (const event of session.follow({ from: 0 })) {
    if (event.type === 'token' && event.text.includes('word')) return;
  }
}

/** Waits until a step of the plan is in progress. */
export async function untilStepRuns(session: SessionHandle, number: number): Promise<void> {
  await until(`step ${number} runs`, async () => (await session.plan())?.steps[number - 1]?.status === 'in-progress');
}

/** Waits until the session is in this run. */
export async function untilRun(session: SessionHandle, number: number): Promise<void> {
  await until(`run ${number}`, async () => (await session.info()).runs >= number);
}
