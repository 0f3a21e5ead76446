/** The runs of a session's workflow. Each continue-as-new has added one. */
import { status } from '@grpc/grpc-js';
import { type Client, type WorkflowExecutionInfo, WorkflowNotFoundError } from '@temporalio/client';
import { grpcStatus } from '../../connection/grpc-errors.ts';
import { decodeFirstPayload, loadStoredPayloads } from '../../connection/raw-responses.ts';
import type { ServerLink } from '../../connection/server-link.ts';

/** Ids in one query. They are at most 1,000 characters long, and some servers limit a query. */
const IDS_IN_QUERY = 200;

export interface SessionRun {
  readonly runId: string;
  /** The run that this one continues; undefined for the first. */
  readonly before: string | undefined;
  /** What the run was started with, usually a `SessionInput`. */
  readonly input: unknown;
}

/**
 * The newest run first, as far back as the server still has them.
 * @param reader client that decodes the inputs; the link's lister gives undefined for an input that cannot be read here
 * @throws CopilotError `SessionNotFound` if even the newest is gone, `ServerUnreachable`
 */
export async function* runsOf(
  link: ServerLink,
  sessionId: string,
  newestRunId: string,
  signal?: AbortSignal,
  reader: Client = link.client,
): AsyncGenerator<SessionRun, void, undefined> {
  for (let runId: string | undefined = newestRunId; runId !== undefined;) {
    let run: SessionRun;
    try {
      run = await readStart(link, sessionId, runId, signal, reader);
    } catch (error) {
      signal?.throwIfAborted();
      // The server has forgotten older runs, or somebody else is deleting the session too.
      if (isNotFound(error) && runId !== newestRunId) return;
      throw await link.explain(error, sessionId);
    }
    yield run;
    runId = run.before;
  }
}

async function readStart(
  link: ServerLink,
  workflowId: string,
  runId: string,
  signal: AbortSignal | undefined,
  client: Client,
): Promise<SessionRun> {
  const { namespace } = link;
  const { history } = await link.call(
    async () => {
      try {
        const response = await client.workflowService.getWorkflowExecutionHistory({
          namespace,
          execution: { workflowId, runId },
          maximumPageSize: 1,
          skipArchival: true,
        });
        await loadStoredPayloads(client, response);
        return response;
      } catch (error) {
        throw isNotFound(error) ? new WorkflowNotFoundError(String(error), workflowId, runId) : error;
      }
    },
    { signal },
  );
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  const context = { type: 'workflow', namespace, workflowId } as const;
  const input = await decodeFirstPayload(client, started?.input?.payloads, context);
  return { runId, before: started?.continuedExecutionRunId || undefined, input };
}

/** Whether the server does not know the workflow or the run. */
export function isNotFound(error: unknown): boolean {
  return error instanceof WorkflowNotFoundError || grpcStatus(error) === status.NOT_FOUND;
}

/**
 * The listed runs of these workflows, by workflow id. The list follows a change after a moment.
 * @throws CopilotError `ServerUnreachable`
 */
export async function runsById(
  link: ServerLink,
  ids: readonly string[],
  { signal, condition }: { signal?: AbortSignal | undefined; condition?: string } = {},
): Promise<ReadonlyMap<string, readonly WorkflowExecutionInfo[]>> {
  const runs: WorkflowExecutionInfo[] = [];
  try {
    for (let from = 0; from < ids.length; from += IDS_IN_QUERY) {
      const some = ids.slice(from, from + IDS_IN_QUERY).map(quote);
      const query = [`WorkflowId IN (${some.join(', ')})`, ...(condition ? [condition] : [])].join(' AND ');
      await link.call(
        async () => {
          for await (const run of link.lister.workflow.list({ query })) runs.push(run);
        },
        { signal },
      );
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw await link.explain(error);
  }
  return Map.groupBy(runs, ({ workflowId }) => workflowId);
}

/** A literal of the query language of lists. */
export function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
