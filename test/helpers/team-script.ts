/** A scripted model that plays a whole team, with a router or without: a plan of file-writing steps, and a report of each. */
import { TASKS } from '../../src/agents/prompt.ts';
import { MAKE_PLAN } from '../../src/contracts/activities.ts';
import { HEADINGS } from '../../src/contracts/briefs.ts';
import type { ModelServer, Responder, ScriptedReply } from './model-server.ts';

export interface TeamScript {
  /** Files to write, one step each. Default none: a direct answer. */
  readonly files?: readonly string[];
  /** Before each answer of a step. */
  readonly delayMs?: number;
  /** The answers of a step come after this. */
  readonly after?: Promise<unknown>;
  /** Text of direct and final answers. Default `done`. */
  readonly answer?: string;
  readonly wordDelayMs?: number;
  /** Replies that take the place of the script's for calls that this matches. */
  readonly instead?: (call: ScriptedCall) => ScriptedReply | undefined;
}

/** What the script saw of one request. */
export interface ScriptedCall {
  readonly phase: string;
  /** Last message of a person, a brief or a tool. */
  readonly last: string;
  readonly lastRole: string;
  readonly system: string;
  /** First line of the step's own part, with `step`: the same in all its rounds. */
  readonly task: string;
  /** Names of the tools on offer. */
  readonly tools: readonly string[];
  /** All messages but the system's, as role and text. */
  readonly messages: readonly (readonly [role: string, text: string])[];
}

/** Answers every call of `model` by the script. */
export function playTeam(model: ModelServer, script: TeamScript = {}): void {
  model.respond(teamResponder(script));
}

/** Answers calls by the script. */
export function teamResponder(script: TeamScript): Responder {
  return (request) => {
    const call = readCall(request);
    return script.instead?.(call) ?? reply(script, call);
  };
}

export function readCall(request: Parameters<Responder>[0]): ScriptedCall {
  const system = textOf(request.messages[0]?.content);
  const last = request.messages.at(-1);
  const messages = request.messages.slice(1).map(({ role, content }) => [role, textOf(content)] as const);
  return {
    system,
    task: stepIn(messages[0]?.[1]) ?? '',
    tools: (request.tools ?? []).map(({ function: { name } }) => name),
    messages,
    phase: phaseOf(system),
    last: textOf(last?.content),
    lastRole: last?.role ?? '',
  };
}

/** The calls that the model really got, such as `step write b.txt` and `step (tool)`. */
export function callsOf(model: ModelServer): string[] {
  return model.requests.map(({ body }) => {
    const { phase, last, lastRole } = readCall(body);
    return phase === 'step' ? `step ${lastRole === 'tool' ? '(tool)' : stepIn(last)}` : phase;
  });
}

/** Each phase ends the system message with a task of its own. */
export function phaseOf(system: string): string {
  return Object.entries(TASKS).find(([, task]) => system.endsWith(task))?.[0] ?? '';
}

/** First line of the step's own part in a brief. */
function stepIn(brief = ''): string | undefined {
  return new RegExp(`^# ${HEADINGS.step}\n(.*)`, 'm').exec(brief)?.[1];
}

function reply(
  { files = [], delayMs = 0, after = Promise.resolve(), answer = 'done', wordDelayMs = 0 }: TeamScript,
  call: ScriptedCall,
): ScriptedReply {
  switch (call.phase) {
    case 'routing':
      return {
        json: {
          route: files.length > 0 ? 'planned' : 'one-shot',
          primaryAgent: 'writer',
          refinedTask: call.last,
          questions: [],
          reason: 'scripted',
        },
      };
    case 'inline':
      return files.length > 0 ? planning(files) : { text: answer, wordDelayMs };
    case 'planning':
      return { json: { steps: stepsFor(files) } };
    case 'review':
      return { json: { approved: true, feedback: '' } };
    case 'step': {
      if (call.lastRole === 'tool') {
        const report = { status: 'done', summary: call.last };
        return { delayMs, after, toolCalls: [{ name: 'report_step', arguments: report }] };
      }
      const file = /^write (\S+)/.exec(call.task)?.[1] ?? 'nothing';
      const written = { path: file, content: `I am ${file}\n` };
      return { delayMs, after, toolCalls: [{ name: 'write_file', arguments: written }] };
    }
    default:
      return { text: answer, wordDelayMs };
  }
}

/** The answering agent's plan of a step for each file. */
function planning(files: readonly string[]): ScriptedReply {
  return { toolCalls: [{ name: MAKE_PLAN, arguments: { steps: stepsFor(files) } }] };
}

function stepsFor(files: readonly string[]): object[] {
  return files.map((file) => ({ agent: 'engineer', task: `write ${file}`, notes: '' }));
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? '').join('') : '';
}
