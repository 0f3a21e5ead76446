/** Asks workers for teams, so that a client needs no team files. */
import { ulid } from 'ulid';
import { WorkflowFailedError } from '@temporalio/client';
import { TimeoutFailure } from '@temporalio/common';
import { retry } from '../../connection/retry.ts';
import { decodeRawFailure } from '../../connection/raw-responses.ts';
import type { TeamInspection } from '../../contracts/activities.ts';
import { CopilotError, fromFailure } from '../../contracts/errors.ts';
import { INSPECT_TEAM_WORKFLOW, RESOLVE_TEAM_WORKFLOW } from '../../contracts/messages.ts';
import type { ResolvedTeam } from '../../contracts/team.ts';
import { ABSENCE_MS, type ServerLink } from '../../connection/server-link.ts';

/** Sessions created at about the same time share one question, and a changed file is noticed soon. */
const MAX_AGE_MS = 5_000;
const REMOVE_TIMEOUT_MS = 2_000;

/** Shares the question for a team among concurrent callers and keeps the answer for 5 s. */
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

/** The team as the files of a worker have it now. @throws as {@link TeamDirectory.find} */
export async function resolveTeam(link: ServerLink, team: string): Promise<ResolvedTeam> {
  return await askWorkers<ResolvedTeam>(link, RESOLVE_TEAM_WORKFLOW, team, `team ${team}`);
}

/** What workers say of a team's definition. @throws CopilotError `InvalidInput`, `NoWorker`, `ServerUnreachable` */
export async function inspectTeam(link: ServerLink, team: ResolvedTeam): Promise<TeamInspection> {
  return await askWorkers<TeamInspection>(
    link,
    INSPECT_TEAM_WORKFLOW,
    team,
    `team ${team.definition.name} of an import`,
  );
}

/** @throws CopilotError `NoWorker` if none takes the question within the time that the link retries for */
async function askWorkers<Answer>(link: ServerLink, type: string, question: unknown, summary: string): Promise<Answer> {
  const deadline = Date.now() + link.retryForMs;
  return await retry(() => askWorker<Answer>(link, type, question, summary), {
    firstPauseMs: 0,
    maxPauseMs: 0,
    onFailure: async (error) => {
      // A worker that polls is busy, not absent: if many sessions are created at once its queue is long.
      const isTooLate = error instanceof CopilotError && error.type === 'NoWorker';
      if (!isTooLate || Date.now() >= deadline || (await link.health()) !== 'ok') throw error;
    },
  });
}

/** @throws CopilotError `NoWorker` if no worker took the question in time, else as {@link TeamDirectory.find} */
async function askWorker<Answer>(link: ServerLink, type: string, question: unknown, summary: string): Promise<Answer> {
  const { taskQueue } = link.config;
  const workflowId = `resolve-team-${ulid()}`;
  try {
    const options = {
      workflowId,
      taskQueue,
      args: [question],
      // The server removes the question if no worker takes it.
      workflowExecutionTimeout: ABSENCE_MS,
      staticSummary: summary,
    };
    return await link.call(
      () => link.client.workflow.execute(type, options) as Promise<Answer>, // what workflows of this type give
      { timeoutMs: 2 * ABSENCE_MS },
    );
  } catch (error) {
    const isTooLate = error instanceof WorkflowFailedError && error.cause instanceof TimeoutFailure;
    throw isTooLate ? ((await readRefusal(link, workflowId)) ?? link.noWorker(error)) : await link.explain(error);
  } finally {
    await removeQuestion(link, workflowId);
  }
}

/** An answered question would stand among the sessions in the Web UI for as long as the namespace keeps workflows. */
async function removeQuestion(link: ServerLink, workflowId: string): Promise<void> {
  const { client, namespace } = link;
  const remove = { namespace, workflowExecution: { workflowId } };
  try {
    await link.call(() => client.workflowService.deleteWorkflowExecution(remove), { timeoutMs: REMOVE_TIMEOUT_MS });
  } catch {
    // It was not started, or this client may not delete: then it stays.
  }
}

/** Why a worker failed at the question, or undefined if none took it or a retry can help. */
async function readRefusal(link: ServerLink, workflowId: string): Promise<Error | undefined> {
  try {
    const { events } = await link.call(() => link.client.workflow.getHandle(workflowId).fetchHistory());
    const failed = events?.findLast(({ workflowTaskFailedEventAttributes: task }) => task?.failure != null);
    const failure = failed?.workflowTaskFailedEventAttributes?.failure;
    return fromFailure(await decodeRawFailure(link.client, failure));
  } catch (error) {
    return await link.explain(error);
  }
}
