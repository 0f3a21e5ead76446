/** What this program needs of the SDK's workflow runtime and the SDK does not offer. Nothing else reaches into it. */
import { defaultPayloadConverter, type PayloadConverter, type VersioningBehavior } from '@temporalio/common';
import { workflowInfo } from '@temporalio/workflow';

/** The part of the SDK's state of a run that is used here. Its own type is not for workflow code. */
interface RunInternals {
  versioningBehavior?: VersioningBehavior;
  readonly payloadConverter?: PayloadConverter;
}

function run(): RunInternals | undefined {
  return (globalThis as { __TEMPORAL_ACTIVATOR__?: RunInternals }).__TEMPORAL_ACTIVATOR__;
}

/** An object that exists once for each run, as long as the worker has it open. */
export function runKey(): object {
  return run() ?? globalThis;
}

/** The converter that the worker was given: ours, or that of a service that hosts sessions. */
export function converterInUse(): PayloadConverter {
  return run()?.payloadConverter ?? defaultPayloadConverter;
}

/**
 * Lets what follows this run begin on the current build. With a worker deployment a run stays on the build that it began
 * on, and so do the next run and the queries of a closed session, unless the task that ends the run says `AUTO_UPGRADE`.
 *
 * The SDK (1.24) takes a run's versioning behavior only from its definition, at its start. Its option
 * `initialVersioningBehavior` of continue-as-new needs a server newer than 1.29, and a closing run has no option at all.
 * This function goes when the SDK lets a running workflow set its behavior.
 */
export function leaveBuild(): void {
  const { currentDeploymentVersion } = workflowInfo();
  // The server refuses a task that names a behavior and has no deployment.
  if (!currentDeploymentVersion?.deploymentName) return;
  const internals = run();
  if (internals) internals.versioningBehavior = 'AUTO_UPGRADE';
}
