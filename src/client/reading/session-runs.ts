/** The runs of a session's workflow: each continue-as-new has made one more. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { ServerLink } from '../../connection/server-link.ts';
import { decodePayloadAt, storedPayloads, visitPayloads, walkHistory } from '../../storage/sdk-internals.ts';

export interface SessionRun {
  readonly runId: string;
  /** Run that this one continues, or undefined for the first. */
  readonly before: string | undefined;
  /** What the run was started with: a `SessionInput`, as far as one can tell. */
  readonly input: unknown;
}

/**
 * The newest run first, as far back as the server still has them.
 * @param reader what decodes inputs; the link's lister gives undefined for one that cannot be read here
 * @throws CopilotError `SessionNotFound` where there is not even the newest, `ServerUnreachable`
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
      // The server has forgotten older runs, or somebody else deletes the session too.
      if (error instanceof WorkflowNotFoundError && runId !== newestRunId) return;
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
  const { loadedDataConverter } = client.options;
  const { history } = await link.call(
    async () => {
      try {
        const response = await client.workflowService.getWorkflowExecutionHistory({
          namespace,
          execution: { workflowId, runId },
          maximumPageSize: 1,
          skipArchival: true,
        });
        const stored = storedPayloads(loadedDataConverter.externalStorage);
        await visitPayloads(response, walkHistory, stored);
        return response;
      } catch (error) {
        throw isNotFound(error) ? new WorkflowNotFoundError(String(error), workflowId, runId) : error;
      }
    },
    { signal },
  );
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  const payloads = started?.input?.payloads ?? [];
  const context = { type: 'workflow', namespace, workflowId } as const;
  const input =
    payloads.length === 0 ? undefined : await decodePayloadAt<unknown>(loadedDataConverter, 0, payloads, context);
  return { runId, before: started?.continuedExecutionRunId || undefined, input };
}

/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const NOT_FOUND = 5;

export function isNotFound(error: unknown): boolean {
  return (
    error instanceof WorkflowNotFoundError || (error instanceof Error && 'code' in error && error.code === NOT_FOUND)
  );
}
