/** What the server shows of a session from its first moment: in lists, and in the Web UI. */
import {
  copilotLastActiveAt,
  copilotMode,
  copilotName,
  copilotPhase,
  copilotStatus,
  copilotUpdatedAt,
  copilotUser,
} from './search-attributes.ts';
import type { SearchAttributePair } from '@temporalio/common';
import type { SessionStart } from './session.ts';
import { beginningOf } from './text-cut.ts';

const MAX_SUMMARY = 100;

/** Options of the start of a session's workflow. */
export interface StartAttributes {
  readonly typedSearchAttributes: SearchAttributePair[];
  readonly memo: Record<string, unknown>;
  readonly staticSummary: string;
}

export function startAttributes({ mode, name, user, team }: SessionStart, now: Date): StartAttributes {
  return {
    typedSearchAttributes: [
      { key: copilotStatus, value: 'active' },
      { key: copilotPhase, value: 'init' },
      { key: copilotMode, value: mode },
      { key: copilotName, value: name },
      ...(user === undefined ? [] : [{ key: copilotUser, value: user }]),
      { key: copilotUpdatedAt, value: now },
      { key: copilotLastActiveAt, value: now },
    ],
    memo: { team: team.definition.name, digest: team.digest, createdAt: now.toISOString() },
    staticSummary: beginningOf(name, MAX_SUMMARY),
  };
}
