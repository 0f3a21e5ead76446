/** The runs of a session's workflow. Each continue-as-new has added one. */
import { status } from '@grpc/grpc-js';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { grpcStatus } from '../../connection/grpc-errors.ts';
import { decodeFirstPayload, loadStoredPayloads } from '../../connection/raw-responses.ts';
import type { ServerLink } from '../../connection/server-link.ts';

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
