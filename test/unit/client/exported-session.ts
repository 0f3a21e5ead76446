/** An exported session as it would come from a file. */
import { NO_USAGE } from '../../../src/contracts/json.ts';
import { digestOf } from '../../../src/contracts/digest.ts';
import type { SessionExport } from '../../../src/client.ts';

const AT = '2026-01-02T03:04:05.000Z';
const DEFINITION: SessionExport['team']['definition'] = {
  schemaVersion: 1,
  name: 'default',
  description: 'a team',
  model: 'test',
  routing: { agent: 'router' },
  planning: { agent: 'planner', reviews: 1, reviewFrom: 3, maxSteps: 20 },
  answering: { agent: 'writer' },
  limits: { rounds: 16, stepAttempts: 3 },
  modes: {},
  agents: {},
  tools: {},
};

export function snapshotAt(turn: number, id: string): SessionExport['context']['snapshots'][number] {
  return {
    id,
    version: turn,
    timestamp: AT,
    reason: 'test',
    kind: 'phase',
    metadata: { turn, phase: 'one-shot' },
    patch: 0,
  };
}

/** So many turns of one question and one answer, each with a snapshot before and after it. */
export function exportedSession(turns: number): SessionExport {
  const numbers = Array.from({ length: turns }, (_, index) => index + 1);
  return {
    format: 'durable-copilot session',
    schemaVersion: 1,
    exportedAt: AT,
    session: {
      id: 'ses_old',
      name: 'old',
      user: null,
      mode: 'copilot',
      status: 'active',
      config: {},
      createdAt: AT,
      updatedAt: AT,
      version: 1 + turns,
      turnCount: turns,
      saved: null,
    },
    team: { digest: digestOf(DEFINITION), definition: DEFINITION },
    conversation: numbers.flatMap((turn) => [
      { role: 'user' as const, text: `question ${turn}`, turnId: `turn-${turn}`, turn },
      { role: 'assistant' as const, text: `answer ${turn}`, turnId: `turn-${turn}`, turn },
    ]),
    turns: numbers.map((number) => ({
      id: `turn-${number}`,
      number,
      messageId: `message-${number}`,
      status: 'completed' as const,
      reply: `answer ${number}`,
      questions: [],
      steps: [],
      artifacts: [],
      usage: NO_USAGE,
    })),
    context: {
      schemaVersion: 1,
      version: turns,
      values: {},
      protectedKeys: [],
      agentKeys: [],
      snapshots: numbers.flatMap((turn) => [
        snapshotAt(turn, `snap-${2 * turn - 1}`),
        snapshotAt(turn, `snap-${2 * turn}`),
      ]),
      snapshotCount: 2 * turns,
      changes: [],
    },
    usage: { 'writer/test': { ...NO_USAGE, modelCalls: turns } },
    segments: [],
    ratings: [],
  };
}
