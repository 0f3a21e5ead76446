/**
 * [P05] Events and bytes of history that turns add, and what they would cost in actions of Temporal Cloud:
 * https://docs.temporal.io/cloud/actions. Calls of worker and client that leave no event are counted too: heartbeats and
 * queries.
 */
import type { Client } from '@temporalio/client';
import { Client as TemporalClient, Connection } from '@temporalio/client';
import { CopilotClient } from '../src/client.ts';
import { bytesOf, fullHistory, type HistoryEvent } from '../test/helpers/history.ts';
import { startGrpcProxy } from '../test/helpers/grpc-proxy.ts';
import { startModelServer } from '../test/helpers/model-server.ts';
import { isolatedConfig, startTestServer } from '../test/helpers/server.ts';
import { playTeam } from '../test/helpers/team-script.ts';
import { startWorkerProcess } from '../test/helpers/worker.ts';

/** Turns of each kind, so that what happens once in many turns counts with its share. */
const TURNS = 40;

/** Attributes of the events that are an action each. */
const EVENTS = {
  'runs begun': 'workflowExecutionStartedEventAttributes',
  updates: 'workflowExecutionUpdateAcceptedEventAttributes',
  signals: 'workflowExecutionSignaledEventAttributes',
  activities: 'activityTaskScheduledEventAttributes',
  timers: 'timerStartedEventAttributes',
  'search attributes': 'upsertWorkflowSearchAttributesEventAttributes',
} as const;
const CALLS = { heartbeats: 'RecordActivityTaskHeartbeat', queries: 'QueryWorkflow' } as const;

export interface Counted {
  readonly actions: Readonly<Record<string, number>>;
  readonly events: number;
  readonly bytes: number;
}

export async function actions(): Promise<void> {
  const server = await startTestServer();
  const model = await startModelServer({ keepsRequests: false });
  const proxy = await startGrpcProxy(server.address);
  const behind = { address: proxy.address, homeDir: server.homeDir };
  const worker = await startWorkerProcess(behind, { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'bench' });
  const copilot = await CopilotClient.connect({ config: isolatedConfig(server.homeDir), address: proxy.address });
  const temporal = new TemporalClient({ connection: await Connection.connect({ address: server.address }) });
  try {
    const kinds = { 'a direct answer': [], 'a plan of two steps, one tool each': ['a.txt', 'b.txt'] };
    for (const [what, files] of Object.entries(kinds)) {
      playTeam(model, { files, answer: 'It is done.' });
      const session = await copilot.create();
      const before = await countActions(temporal, session.id, proxy.calls);
      for (let turn = 0; turn < TURNS; turn++) await session.send('Do it.');
      showActions(what, TURNS, before, await countActions(temporal, session.id, proxy.calls));
    }
  } finally {
    await copilot.close();
    await temporal.connection.close();
    await worker.stop();
    await proxy.close();
    await model.close();
    await server.stop();
  }
}

/** Of a session so far, and of all `calls` that its worker and client made. */
export async function countActions(temporal: Client, id: string, calls: readonly string[]): Promise<Counted> {
  const made = Object.entries(CALLS).map(([name, method]) => [name, calls.filter((call) => call === method).length]);
  const events = await fullHistory(temporal, id);
  const recorded = Object.entries(EVENTS).map(([name, key]) => [name, events.filter((event) => event[key]).length]);
  return {
    actions: Object.fromEntries([...recorded, ...made]) as Record<string, number>,
    events: events.length,
    bytes: events.reduce((sum: number, event: HistoryEvent) => sum + bytesOf(event), 0),
  };
}

export function showActions(what: string, turns: number, before: Counted, after: Counted): void {
  const each = (one: number, other: number): string => ((other - one) / turns).toFixed(2);
  const names = Object.keys(after.actions);
  const parts = names.map((name) => `${name} ${each(before.actions[name] ?? 0, after.actions[name] ?? 0)}`);
  const sum = ({ actions: counted }: Counted): number => Object.values(counted).reduce((total, one) => total + one, 0);
  console.log(`${what}, a turn: ${each(sum(before), sum(after))} actions: ${parts.join(', ')}`);
  console.log(`  ${each(before.events, after.events)} events of ${each(before.bytes, after.bytes)} bytes in all`);
}
