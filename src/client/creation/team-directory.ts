/** Teams as the workers have them: a client needs no team files of its own. */
import { ulid } from 'ulid';
import { WorkflowFailedError } from '@temporalio/client';
import { TimeoutFailure } from '@temporalio/common';
import { fromFailure } from '../../contracts/errors.ts';
import { RESOLVE_TEAM_WORKFLOW } from '../../contracts/messages.ts';
import type { ResolvedTeam } from '../../contracts/team.ts';
import { decodeFailure } from '../../storage/sdk-internals.ts';
import { ABSENCE_MS, type ServerLink } from '../../connection/server-link.ts';

/** Many sessions created at once share one look at the files; a file that was changed counts soon. */
const MAX_AGE_MS = 5_000;

/** Asks a worker for teams, once for callers at the same time, and keeps each answer for 5 s. */
export class TeamDirectory {
  readonly #link: ServerLink;
  readonly #answers = new Map<string, { readonly askedAt: number; readonly answer: Promise<ResolvedTeam> }>();

  constructor(link: ServerLink) {
    this.#link = link;
  }

  /** @throws CopilotError `TeamNotFound`, `InvalidTeam`, `NoWorker` after 15 s without any worker, `ServerUnreachable` */
  async find(team: string): Promise<ResolvedTeam> {
    const known = this.#answers.get(team);
    if (known && Date.now() - known.askedAt < MAX_AGE_MS) return await known.answer;
    const entry = { askedAt: Date.now(), answer: resolveTeam(this.#link, team) };
    this.#answers.set(team, entry);
    try {
      return await entry.answer;
    } catch (error) {
      if (this.#answers.get(team) === entry) this.#answers.delete(team);
      throw error;
    }
  }
}

/** As a worker's files have it now. @throws as {@link TeamDirectory.find} */
export async function resolveTeam(link: ServerLink, team: string): Promise<ResolvedTeam> {
  const deadline = Date.now() + link.retryForMs;
  for (;;) {
    const resolved = await tryToResolve(link, team);
    if (resolved) return resolved;
    // A worker that polls is busy, not absent: with many sessions created at once its queue is long.
    if (Date.now() < deadline && (await link.health()) === 'ok') continue;
    throw link.noWorker();
  }
}

/** @returns undefined where no worker took it in time */
async function tryToResolve(link: ServerLink, team: string): Promise<ResolvedTeam | undefined> {
  const { taskQueue } = link.config;
  const workflowId = `resolve-team-${ulid()}`;
  try {
    const options = {
      workflowId,
      taskQueue,
      args: [team],
      // Gone by itself where no worker takes it.
      workflowExecutionTimeout: ABSENCE_MS,
      staticSummary: `team ${team}`,
    };
    return await link.call(
      () => link.client.workflow.execute(RESOLVE_TEAM_WORKFLOW, options) as Promise<ResolvedTeam>, // that workflow's type
      { timeoutMs: 2 * ABSENCE_MS },
    );
  } catch (error) {
    const isTooLate = error instanceof WorkflowFailedError && error.cause instanceof TimeoutFailure;
    const problem = isTooLate ? await refusal(link, workflowId) : await link.explain(error);
    if (problem === undefined) return undefined;
    throw problem;
  }
}

/** Why the worker that had the question could not take it up: undefined where there was none, or it can be had again. */
async function refusal(link: ServerLink, workflowId: string): Promise<Error | undefined> {
  try {
    const { events } = await link.call(() => link.client.workflow.getHandle(workflowId).fetchHistory());
    const failed = events?.findLast(({ workflowTaskFailedEventAttributes: task }) => task?.failure != null);
    const failure = failed?.workflowTaskFailedEventAttributes?.failure;
    const { loadedDataConverter } = link.client.options;
    return fromFailure(await decodeFailure(loadedDataConverter, failure));
  } catch (error) {
    return await link.explain(error);
  }
}
