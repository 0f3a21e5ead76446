/** Decides how a message is handled, by counting what it asks for. */
import type { RouteDecision } from '../../../src/contracts/turn.ts';
import { actionsOf, isRequest, type Action, type ActionKind } from '../actions.ts';
import { agentFor, agentsIn } from '../agents.ts';
import { fileNames, quotations, withoutLead, words } from '../language.ts';
import { isPlan } from '../phrases/order.ts';
import { questionFirst } from '../phrases/questions.ts';
import { isVague, type Prompt } from '../prompt.ts';
import { converse } from '../skills/conversation.ts';
import { subjectOf, targetOf } from '../skills/writing.ts';

export function route(prompt: Prompt): RouteDecision {
  const { request, system, flaw } = prompt;
  const agents = agentsIn(system);
  const actions = actionsOf(request);
  const chosen = [
    ...new Set(actions.flatMap((action) => agentFor(agents, { ...action, kind: leadingKind(action) }) ?? [])),
  ];
  const question = questionFor(prompt, actions);
  const kind = question !== undefined ? 'clarify' : needsPlan(request, actions) ? 'planned' : 'one-shot';
  const size = words(request).length;
  return {
    route: kind,
    complexity: Math.min(
      100,
      kind === 'planned' ? 20 + actions.length * 12 + Math.floor(size / 10) : 5 + Math.floor(size / 5),
    ),
    primaryAgent: chosen[0] ?? agents[0]?.id ?? '',
    supportingAgents: chosen.slice(1),
    // The planner and the reviewer are told what is wanted of them, too.
    refinedTask: `${flaw?.phrase ?? ''}${request}`,
    estimatedSteps: question !== undefined ? 0 : Math.min(50, actions.length),
    questions: question === undefined ? [] : [question],
    confidence: actions.every((action) => action.kind === 'say') ? 0.6 : 0.9,
    reason: reasonFor(kind, actions),
  };
}

/** Only steps can fail and be tried again. */
function needsPlan(request: string, actions: readonly Action[]): boolean {
  return isPlan(request) || actions.length > 1 || actions.some(({ kind }) => kind === 'fail');
}

/** A file about figures that must be computed first is that agent's who can compute them. */
function leadingKind(action: Action): ActionKind {
  const subject = action.kind === 'write' ? subjectOf(action, targetOf(action))?.kind : undefined;
  return subject === 'table' || subject === 'calculate' ? subject : action.kind;
}

/** Kinds of actions that are asked for in so many words. */
const PHRASES: ReadonlySet<ActionKind> = new Set([
  'call',
  'shell',
  'fail',
  'handoff',
  'ask',
  'remember',
  'edit',
  'fetch',
]);

/** What to ask back, where any work would be a guess. */
function questionFor({ request, earlier }: Prompt, actions: readonly Action[]): string | undefined {
  const first = questionFirst(request);
  if (first) return first.question;
  if (isPlan(request) || actions.some(({ kind }) => PHRASES.has(kind))) return undefined;
  const known = earlier.some(({ text }) => fileNames(text).length > 0);
  // Without the name of a file: in the next turn it would count as one that the conversation speaks of.
  const example = 'For example: "Profile the attached table and find the best month."';
  if (isVague(request)) {
    if (known && words(request).length > 1 && actions.some(({ kind }) => kind !== 'say')) return undefined;
    return `${example} What exactly shall I do, and with what?`;
  }
  if (isGibberish(request))
    return `I do not understand "${request.trim().slice(0, 80)}". ${example} What shall I do, and with which file?`;
  return undefined;
}

/** A few words of which none is anything like English to these rules. */
function isGibberish(text: string): boolean {
  const all = words(text);
  if (all.length === 0) return true;
  if (all.length > 4 || /\?\s*$/.test(text) || quotations(text).length > 0 || fileNames(text).length > 0) return false;
  if (isRequest(withoutLead(text)) || converse(text, []) !== undefined) return false;
  return all.every(
    (word) =>
      // Other alphabets have other vowels.
      /^[a-z0-9]+$/.test(word) &&
      (!/[aeiouy]/.test(word) ||
        /[^aeiouy]{5}|(.)\1\1/.test(word) ||
        /^(?:asdf|qwer|foo|bar|baz|blah|bla|lorem|xyz)/.test(word)),
  );
}

function reasonFor(kind: RouteDecision['route'], actions: readonly Action[]): string {
  if (kind === 'clarify') return 'the message wants to be asked, or does not say what to do with what';
  if (kind === 'planned')
    return `${actions.length} action${actions.length === 1 ? '' : 's'}: ${actions.map((action) => action.kind).join(', ')} (decided by the offline model)`;
  const [first] = actions;
  return first === undefined || first.kind === 'say'
    ? 'a message without work for tools (decided by the offline model)'
    : `a single action: ${first.kind} (decided by the offline model)`;
}
