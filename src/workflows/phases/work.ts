/** What an agent is in the middle of: opened once, found again by the next run. */
import { ASK_USER, HANDOFF_PREFIX, REMEMBER } from '../../contracts/activities.ts';
import type { Turn, Work } from '../../contracts/session.ts';
import { EMPTY_TRANSCRIPT, type Message } from '../../contracts/transcript.ts';
import type { LiveSession } from '../live-session.ts';
import { toolPolicy } from '../policies.ts';
import { findAgent } from './call.ts';

export interface Task extends Pick<Work, 'phase' | 'agent' | 'part' | 'step'> {
  readonly first: Message;
}

/** The work of this name in the turn: as it stood in the run before, or new. */
export function openWork(turn: Turn, { phase, agent, part, step, first }: Task): Work {
  const found = turn.works.find((work) => work.part === part);
  if (found) return found;
  const work: Work = {
    part,
    phase,
    ...(step === undefined ? {} : { step }),
    agent,
    handoffs: 0,
    rounds: 0,
    thread: { id: `${turn.id}/${part}`, address: EMPTY_TRANSCRIPT, messages: [] },
    tail: [first],
    calls: [],
    remembered: {},
  };
  turn.works.push(work);
  return work;
}

export function closeWork(turn: Turn, work: Work): void {
  turn.works = turn.works.filter((other) => other !== work);
}

/** Names of the tools on offer: the agent's own as far as policies allow, and its hand-offs. */
export function toolsOf(session: LiveSession, { phase, agent }: Pick<Work, 'phase' | 'agent'>): string[] {
  // The final answer is written from what the steps report.
  if (phase === 'answer') return [];
  const { tools, handoffs } = findAgent(session, agent);
  return [
    ...tools.filter((name) => toolPolicy(session.state, name) !== 'deny'),
    ...(session.state.schemaVersion >= 2 ? handoffs.map((id) => HANDOFF_PREFIX + id) : []),
  ];
}

/** Whether a name is on offer: listed itself, or with all tools of its MCP server. */
export function isOffered(tools: readonly string[], name: string): boolean {
  return tools.includes(name) || (name.includes('.') && tools.includes(`${name.slice(0, name.indexOf('.'))}.*`));
}

/** Whether the engine itself answers calls of this tool. */
export function isEngineTool(name: string): boolean {
  return name === ASK_USER || name === REMEMBER || name.startsWith(HANDOFF_PREFIX);
}
