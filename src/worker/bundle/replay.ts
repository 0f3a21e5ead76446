/** Replays histories of sessions on this program's workflow code, to see whether it could go on with them. */
import { DefaultLogger, Worker } from '@temporalio/worker';
import { ServerLink } from '../../connection/server-link.ts';
import { describeSession } from '../../client/reading/session-queries.ts';
import { checkInput } from '../../client/checked-input.ts';
import { loadConfig } from '../../config.ts';
import { MAX_LISTED_TIME_LAG_MS } from '../../contracts/limits.ts';
import { SESSION_WORKFLOW } from '../../contracts/messages.ts';
import { copilotUpdatedAt } from '../../contracts/search-attributes.ts';
import { SessionId } from '../../contracts/session.ts';
import { createWorkerDataConverter } from '../../storage/data-converter.ts';
import { prepareBundle } from './bundle.ts';
import { NO_TRACES } from '../../tracing/session-spans.ts';
import { installRuntime } from '../runtime.ts';

/** The newest run of one session. */
export interface Replayed {
  readonly sessionId: string;
  readonly runId: string;
  /** What the code would have done differently. Null if the history replays. */
  readonly problem: string | null;
}

export interface ReplayOptions {
  /** Sessions to replay. Default: all. */
  readonly ids?: readonly string[];
  /** Only sessions that changed since then. */
  readonly since?: Date;
}

/** Histories fetched at a time. */
const CONCURRENCY = 4;
const quiet = new DefaultLogger('ERROR', () => {});

/**
 * Replays one session after another. It changes nothing on the server and needs no worker.
 * @throws CopilotError `SessionNotFound`, `InvalidInput`, `ServerUnreachable`
 */
export async function* replaySessions({ ids, since }: ReplayOptions): AsyncGenerator<Replayed, void, undefined> {
  const config = loadConfig();
  const link = await ServerLink.open({ config });
  try {
    for (const id of ids ?? []) await describeSession(link, checkInput(SessionId, id, 'session id'));
    const chosen = ids?.map((id) => `WorkflowId = '${id}'`).join(' OR ');
    const listedSince = since && new Date(since.getTime() - MAX_LISTED_TIME_LAG_MS);
    const changed = listedSince && `${copilotUpdatedAt.name} >= '${listedSince.toISOString()}'`;
    const query = [
      `WorkflowType = '${SESSION_WORKFLOW}'`,
      "ExecutionStatus != 'ContinuedAsNew'",
      chosen && `(${chosen})`,
      changed,
    ]
      .filter((part) => part !== undefined)
      .join(' AND ');
    // A session whose key is missing here must not prevent the replay of the others.
    const histories = link.lister.workflow.list({ query }).intoHistories({ concurrency: CONCURRENCY });
    installRuntime(quiet);
    const options = {
      workflowBundle: await prepareBundle(config, quiet),
      dataConverter: createWorkerDataConverter(config),
      sinks: NO_TRACES,
    };
    for await (const { workflowId, runId, error } of Worker.runReplayHistories(options, histories)) {
      yield { sessionId: workflowId, runId, problem: error?.message ?? null };
    }
  } finally {
    await link.close();
  }
}
