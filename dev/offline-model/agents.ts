/** Which agent an action goes to, by what the descriptions say. */
import { actionsOf, type Action, type ActionKind } from './actions.ts';
import { handoverIn } from './skills/engine/hand-over.ts';
import { stem, words } from './language.ts';

export interface Agent {
  readonly id: string;
  readonly description: string;
}

/** What agents for a kind of action call their work. */
const CALLING: Readonly<Record<ActionKind, string>> = {
  write: 'write writer report document draft text summary markdown author editor',
  table: 'data csv table profile compute analysis analyst statistics figure sum average engineer',
  plot: 'chart plot draw graph diagram picture svg data table analyst engineer',
  calculate: 'calculate compute math arithmetic figure number engineer data',
  edit: 'change edit replace file document engineer editor write writer',
  fetch: 'web page online internet fetch research researcher find fact source read document',
  shell: 'shell command run program script execute engineer developer programmer code',
  call: 'tool use call api service server external',
  code: 'code run program script execute engineer developer programmer',
  read: 'read document note file research find fact summary',
  search: 'search find file research document source',
  list: 'list file research search find document',
  ask: 'answer question chat talk person explain explanation text general assistant write',
  remember: 'answer question chat talk explain explanation text general assistant write',
  handoff: 'general assistant engineer',
  fail: 'general assistant engineer',
  say: 'answer question chat talk explain explanation text general assistant write',
};

const LINE = /^[^\S\n]*[-*][^\S\n]+[`*]*([a-z][a-z0-9-]{0,62})[`*]*(?:\s*\([^)\n]*\))?:\s+(.+)$/gm;
/** They organise the work of others and do no step. */
const ORGANISER = /rout(?:er|ing)|plann(?:er|ing)|orchestrat|supervis/;

/** The agents that a system prompt lists, as `- id: description`, under a line that speaks of agents where there is one. */
export function agentsIn(system: string): Agent[] {
  const heading = [...system.matchAll(/^.*\bagents\b.*:\s*$/gim)].at(-1);
  const under = heading && parse(system.slice(heading.index + heading[0].length).split(/\n\s*\n(?!\s*[-*])/)[0] ?? '');
  return under && under.length > 0 ? under : parse(system);
}

/** The agent whose description has most in common with the action; the first of equals. Undefined where there is none. */
export function chooseAgent(agents: readonly Agent[], kind: ActionKind, text: string): string | undefined {
  const calling = CALLING[kind].split(' ').map(stem);
  const said = new Set(
    words(text)
      .filter((word) => word.length > 3)
      .map(stem),
  );
  const score = ({ id, description }: Agent): number => {
    const own = new Set(words(`${id} ${id} ${description}`).map(stem));
    const fit = calling.reduce((sum, word, place) => sum + (own.has(word) ? 2 - place / 10 : 0), 0);
    return fit + [...said].filter((word) => own.has(word)).length / 2 - (ORGANISER.test(id) ? 100 : 0);
  };
  const scored = agents.map((agent) => ({ id: agent.id, score: score(agent) }));
  return scored.toSorted((a, b) => b.score - a.score)[0]?.id;
}

/** The agent for an action; one that hands over does not hand over to itself. */
export function agentFor(agents: readonly Agent[], { kind, text }: Pick<Action, 'kind' | 'text'>): string | undefined {
  if (kind !== 'handoff') return chooseAgent(agents, kind, text);
  const { to, rest } = handoverIn(text);
  const others = agents.filter(({ id }) => id !== to);
  const [next] = actionsOf(rest);
  return next && others.length > 0 ? agentFor(others, next) : chooseAgent(agents, kind, text);
}

function parse(text: string): Agent[] {
  return [...text.matchAll(LINE)].map(([, id = '', description = '']) => ({ id, description }));
}
