/** Worker deployments: the builds that workers are of, and the one that sessions begin on. */
import type { WorkflowService } from '@temporalio/client';
import type { Build } from '../config.ts';

/** `temporal.api.enums.v1.TaskQueueType` */
const WORKFLOW_QUEUE = 1;

export interface Builds {
  /** What sessions begin on, or go on with when they leave their build. Absent: workers without a build. */
  readonly current?: Build;
  /** Of workers that have one and ask for sessions, or did in the last minutes, by their identity. */
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

/** What the server says of it; names are empty where there is none. */
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

/** The command that has sessions begin on a build. */
export function makeCurrentCommand({ deploymentName, buildId }: Build, address: string, namespace: string): string {
  return (
    `temporal worker deployment set-current-version --address ${address} --namespace ${namespace} ` +
    `--deployment-name ${deploymentName} --build-id ${buildId} --yes`
  );
}
