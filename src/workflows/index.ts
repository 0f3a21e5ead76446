/** Entry of the workflow bundle: every workflow type by its name. */
export { copilotFiles } from './files.ts';
export { copilotInspectTeam, copilotResolveTeam } from './resolve-team.ts';
export { copilotSession } from './session/loop.ts';
export { copilotWebhooks } from './webhooks.ts';
