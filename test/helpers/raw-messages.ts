/** Signals, updates, queries and starts in any form, past the SDK's converters: what a stranger could send. */
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { SESSION_WORKFLOW } from '../../src/contracts/messages.ts';

const { temporal } = proto;
const { UpdateWorkflowExecutionLifecycleStage: Stage } = temporal.api.enums.v1;
const NAMESPACE = 'default';

/** A payload with this text as it is: JSON that no `JSON.stringify` would write, or none at all. */
export function payloadOf(text: string, encoding = 'json/plain'): Payload {
  return { metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(text) };
}

/** What became of an update; of a failure its type and its words. */
export type Outcome = 'done' | 'accepted' | { readonly type: string; readonly message: string };

/** Sends messages to one session, or starts workflows, with these payloads. */
export class Stranger {
  readonly #service: Client['workflowService'];

  constructor(client: Client) {
    this.#service = client.workflowService;
  }

  /** @throws ServiceError of gRPC */
  async signal(workflowId: string, name: string, payloads: readonly Payload[]): Promise<void> {
    await this.#service.signalWorkflowExecution({
      namespace: NAMESPACE,
      workflowExecution: { workflowId },
      signalName: name,
      input: { payloads: [...payloads] },
      requestId: randomUUID(),
    });
  }

  /** Waits until it is refused, or accepted, or by default completed. @throws ServiceError of gRPC */
  async update(
    workflowId: string,
    name: string,
    payloads: readonly Payload[],
    until: 'ACCEPTED' | 'COMPLETED' = 'COMPLETED',
  ): Promise<Outcome> {
    const { outcome, stage } = await this.#service.updateWorkflowExecution({
      namespace: NAMESPACE,
      workflowExecution: { workflowId },
      waitPolicy: { lifecycleStage: Stage[`UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_${until}`] },
      request: {
        meta: { updateId: randomUUID(), identity: 'stranger' },
        input: { name, args: { payloads: [...payloads] } },
      },
    });
    if (!outcome && stage === Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED) return 'accepted';
    if (!outcome) throw new Error(`update ${name} of ${workflowId} was not taken`);
    const { failure } = outcome;
    if (!failure) return 'done';
    return { type: failure.applicationFailureInfo?.type ?? '', message: failure.message ?? '' };
  }

  /** @throws ServiceError of gRPC, also where the query itself is refused */
  async query(workflowId: string, name: string, payloads: readonly Payload[]): Promise<void> {
    await this.#service.queryWorkflow({
      namespace: NAMESPACE,
      execution: { workflowId },
      query: { queryType: name, queryArgs: { payloads: [...payloads] } },
    });
  }

  async start(workflowId: string, payloads: readonly Payload[], type = SESSION_WORKFLOW): Promise<void> {
    await this.#service.startWorkflowExecution({
      namespace: NAMESPACE,
      workflowId,
      workflowType: { name: type },
      taskQueue: { name: 'copilot' },
      input: { payloads: [...payloads] },
      requestId: randomUUID(),
    });
  }
}
