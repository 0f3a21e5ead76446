/** Entry of a bundle that has the workflows of a service beside ours. */
import * as service from './service-workflows.ts';

// One by one, so that they stand above those of the service.
export { copilotFiles, copilotInspectTeam, copilotResolveTeam, copilotSession, copilotWebhooks } from './index.ts';
export * from './service-workflows.ts';
/** A service may have a workflow for all types that it does not name. */
export default Reflect.get(service, 'default') as unknown;
