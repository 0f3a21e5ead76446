/** What a worker finds at its server: search attributes, its build and the build that sessions begin on. */
import { status } from '@grpc/grpc-js';
import type { WorkflowService } from '@temporalio/client';
import type { NativeConnection, WorkerOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Build, Config } from '../config.ts';
import { grpcStatus } from '../connection/grpc-errors.ts';
import { noNamespace } from '../connection/open-connection.ts';
import { prepareNamespace } from '../server/namespace.ts';

/** `temporal.api.enums.v1.TaskQueueType` */
const WORKFLOW_QUEUE = 1;

export interface Builds {
  /** Sessions begin on it, and move to it when they leave their build. Absent: workers without a build. */
  readonly current?: Build;
  /** By the identity of each worker that has a build and polled for sessions within the last minutes. */
  readonly byWorker: ReadonlyMap<string, Build>;
}

/** @throws what the SDK throws */
export async function readBuilds(service: WorkflowService, namespace: string, taskQueue: string): Promise<Builds> {
  const { pollers, versioningInfo } = await service.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: WORKFLOW_QUEUE,
  });
  const current = buildOf(versioningInfo?.currentDeploymentVersion);
  const byWorker = new Map<string, Build>();
  for (const { identity, deploymentOptions } of pollers) {
    const build = buildOf(deploymentOptions);
    if (build) byWorker.set(identity ?? '', build);
  }
  return { byWorker, ...(current ? { current } : {}) };
}

/** A build as the server tells it. Names are empty if there is none. */
type Told = { readonly deploymentName?: string | null; readonly buildId?: string | null };

function buildOf(told: Told | null | undefined): Build | undefined {
  const { deploymentName, buildId } = told ?? {};
  return deploymentName && buildId ? { deploymentName, buildId } : undefined;
}

export function isSameBuild(one: Build | undefined, other: Build | undefined): boolean {
  return one?.deploymentName === other?.deploymentName && one?.buildId === other?.buildId;
}

/** For people: `build 2 of copilot`. */
export function buildName(build: Build | undefined): string {
  return build ? `build ${build.buildId} of ${build.deploymentName}` : 'workers without a build';
}

/** The command that makes a build the one that sessions begin on. */
export function makeCurrentCommand({ deploymentName, buildId }: Build, address: string, namespace: string): string {
  return (
    `temporal worker deployment set-current-version --address ${address} --namespace ${namespace} ` +
    `--deployment-name ${deploymentName} --build-id ${buildId} --yes`
  );
}

/** Runs stay on the build that they began on, unless the workflow code says otherwise. */
export function deploymentOptions({ build }: Pick<Config, 'build'>): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  return build
    ? { workerDeploymentOptions: { version: build, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' } }
    : {};
}

export interface Connected {
  readonly connection: NativeConnection;
  readonly address: string;
  readonly namespace: string;
}

/**
 * Registers the search attributes of sessions, and logs what the server refuses.
 * @throws CopilotError `InvalidConfig` if there is no such namespace
 */
export async function prepareServer({ connection, address, namespace }: Connected, log: Logger): Promise<void> {
  const { workflowService, operatorService } = connection;
  try {
    await workflowService.describeNamespace({ namespace });
  } catch (cause) {
    // Who may not look at it may use it all the same.
    if (grpcStatus(cause) === status.NOT_FOUND) throw noNamespace(address, namespace, cause);
  }
  const { warnings } = await prepareNamespace({ workflowService, operatorService, options: { address } }, namespace);
  for (const warning of warnings) log.warn(warning);
}

/** No session begins on a build that is not current, and nothing else would tell the operator. */
export async function warnUnlessCurrent(
  { build, taskQueue }: Pick<Config, 'build' | 'taskQueue'>,
  { connection, address, namespace }: Connected,
  log: Logger,
): Promise<void> {
  try {
    const { current } = await readBuilds(connection.workflowService, namespace, taskQueue);
    if (isSameBuild(build, current)) return;
    const command = build && `; to change that: ${makeCurrentCommand(build, address, namespace)}`;
    log.warn({ build, current }, `sessions begin on ${buildName(current)}, not on this worker${command ?? ''}`);
  } catch (err) {
    log.warn({ err, build }, 'the build that sessions begin on cannot be read');
  }
}
