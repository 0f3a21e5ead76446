/** Shows a request to people: the question, its whole subject, its deadline, and how to decide. */
import { parseJson } from '../../contracts/json.ts';
import { visibleWithBlanks } from '../../contracts/visible-text.ts';
import { formLines } from './form-text.ts';
import type { PendingRequest, RequestedCall, RequestedStep, Verdict } from '../../contracts/request.ts';

const INDENT = '    ';

/** The command that shows all of a request. */
function showCommand(sessionId: string, { id }: Pick<PendingRequest, 'id'>): string {
  return `copilot show ${sessionId} --request ${id}`;
}

/** The question and the options. */
export function requestLine(request: PendingRequest, sessionId = '<session>'): string {
  const { id, question, options } = request;
  const words = options.includes('answer') ? '' : ` [${options.join(' / ')}]`;
  return visibleWithBlanks([`? ${id}: ${question}${words}`, ...subjectLines(sessionId, request)].join('\n'));
}

/** What was decided: by whom and when, and with which arguments, values or rule if the person gave some. */
export function verdictLines({ decision, by, at, text, rule, arguments: edited, values }: Verdict): string[] {
  return [
    `${decision}, by ${by} at ${at}${text === undefined ? '' : `: ${text}`}`,
    ...(rule === undefined ? [] : [`allowed by the rule ${rule}`]),
    ...(edited === undefined
      ? []
      : ['with these arguments instead:', ...argumentLines(edited).map((line) => INDENT + line)]),
    ...(values === undefined
      ? []
      : ['filled with:', ...argumentLines(JSON.stringify(values)).map((line) => INDENT + line)]),
  ].map((line) => INDENT + visibleWithBlanks(line));
}

/** What the request is about, as far as it carries that. A cut is marked. */
function subjectLines(sessionId: string, request: PendingRequest): string[] {
  const { tool, steps, form, isCut } = request;
  const lines = tool ? argumentLines(tool.arguments) : form ? formLines(form) : (steps ?? []).flatMap(stepLines);
  const cut = isCut ? [`… cut here. All of it: ${showCommand(sessionId, request)}`] : [];
  return [...lines, ...cut, ...(tool ? coverageLines(tool) : [])].map((line) => INDENT + line);
}

/** What "session" would allow, before anybody says it. */
function coverageLines({ covers }: RequestedCall): string[] {
  const { tools, rule } = covers;
  const all = tools.length > 0 ? [`all calls of ${tools.join(', ')}, whatever the arguments`] : [];
  const one = rule === undefined ? [] : [`with a rule: what that matches, such as ${rule}`];
  return all.length + one.length === 0 ? [] : [`"session" allows ${[...all, ...one].join('; ')}`];
}

/** Arguments as `name: value`. Texts of several lines are indented, so that none of them looks like another argument. */
function argumentLines(text: string): string[] {
  const given = parseJson(text);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return text.split('\n');
  return Object.entries(given).flatMap(([key, value]: [string, unknown]) => {
    const name = /^[\w.-]+$/.test(key) ? key : JSON.stringify(key);
    if (typeof value !== 'string') return `${name}: ${JSON.stringify(value)}`;
    return textLines(name, value);
  });
}

function stepLines({ number, agent, task, notes, summary }: RequestedStep): string[] {
  return [
    ...textLines(`${number}. (${agent})`, task),
    ...(notes.trim() === '' ? [] : textLines('   notes', notes)),
    ...(summary === '' ? [] : textLines('   result', summary)),
  ];
}

function textLines(name: string, text: string): string[] {
  if (!text.includes('\n')) return [`${name}: ${text}`];
  return [`${name}:`, ...text.split('\n').map((line) => `  │ ${line}`)];
}

/**
 * The request with the commands that decide it.
 * @param namesDigest whether they name the digest, for those who decide elsewhere. Default false
 */
export function requestText(sessionId: string, request: PendingRequest, { namesDigest = false } = {}): string {
  const { id, question, expiresAt, onExpiry } = request;
  const lines = [
    `${id}: ${question}`,
    ...subjectLines(sessionId, request),
    `${INDENT}until ${expiresAt}; then ${onExpiry.words}`,
    ...commandsFor(sessionId, request, namesDigest).map((line) => INDENT + line),
  ];
  return visibleWithBlanks(lines.join('\n'));
}

function commandsFor(
  sessionId: string,
  { id, kind, options, isCut, digest, form }: PendingRequest,
  namesDigest: boolean,
): string[] {
  const target = `${sessionId} ${id}`;
  // Who has not seen all of it cannot approve it.
  if (isCut && kind !== 'outcome') return [showCommand(sessionId, { id }), `copilot deny ${target} --reason "…"`];
  const named = namesDigest ? ` --digest ${digest}` : '';
  switch (kind) {
    case 'tool':
      return [
        `copilot approve ${target} [--session | --rule "…" | --edit]${named}`,
        `copilot deny ${target} --reason "…"`,
      ];
    case 'outcome':
      return [
        `copilot decide ${target} done [--text "…"]`,
        `copilot decide ${target} not-done`,
        `copilot decide ${target} try-again`,
      ];
    case 'input':
      return [`copilot answer ${target} "…"`];
    case 'form':
      return [
        form?.url === undefined ? `copilot answer ${target} --field name=value …` : `copilot approve ${target}${named}`,
        `copilot deny ${target}`,
        `copilot decide ${target} cancel`,
      ];
    case 'budget':
      return [`copilot approve ${target} [--limit …]${named}`, `copilot deny ${target}`];
    case 'plan':
      return [
        `copilot approve ${target}${named}`,
        ...(options.includes('modify') ? [`copilot decide ${target} modify --text "…"`] : []),
        `copilot deny ${target} --reason "…"`,
      ];
    case 'before-step':
      return [`copilot approve ${target}${named}`, `copilot deny ${target}`];
    case 'after-step':
      return [
        `copilot approve ${target}${named}`,
        ...(options.includes('redo') ? [`copilot decide ${target} redo --text "…"`] : []),
      ];
  }
}
