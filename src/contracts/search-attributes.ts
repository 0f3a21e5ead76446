/** What sessions are listed and searched by: the names and types that workflow, client and server share. */
import { defineSearchAttributeKey } from '@temporalio/common';

/** A session's status: `active`, `suspended`, `completed`. */
export const copilotStatus = defineSearchAttributeKey('CopilotStatus', 'KEYWORD');
/** Mode of the turn engine that the session runs in. */
export const copilotMode = defineSearchAttributeKey('CopilotMode', 'KEYWORD');
/** Whose session it is. */
export const copilotUser = defineSearchAttributeKey('CopilotUser', 'KEYWORD');
/** What the session's turn is doing, `idle` between turns. */
export const copilotPhase = defineSearchAttributeKey('CopilotPhase', 'KEYWORD');
/** Number of the step that runs; none outside a plan. */
export const copilotStep = defineSearchAttributeKey('CopilotStep', 'INT');
/** The session's title. */
export const copilotName = defineSearchAttributeKey('CopilotName', 'KEYWORD');
/** What kind of decision the session waits for. */
export const copilotAwaiting = defineSearchAttributeKey('CopilotAwaiting', 'KEYWORD');
/** When the session last changed. */
export const copilotUpdatedAt = defineSearchAttributeKey('CopilotUpdatedAt', 'DATETIME');

/** When a turn last began or ended, or a person last took the session up again. */
export const copilotLastActiveAt = defineSearchAttributeKey('CopilotLastActiveAt', 'DATETIME');

/** All of them, to register them with a server. */
export const SEARCH_ATTRIBUTES = [
  copilotStatus,
  copilotMode,
  copilotUser,
  copilotPhase,
  copilotStep,
  copilotName,
  copilotAwaiting,
  copilotUpdatedAt,
  copilotLastActiveAt,
] as const;
