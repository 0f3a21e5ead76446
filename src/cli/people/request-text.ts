/** Shows a request to people: the question, its subject, its deadline, and how to decide. */
import type { PendingRequest } from '../../contracts/request.ts';

const MAX_LINES = 40;

/** The question and the options. */
export function requestLine(request: PendingRequest): string {
  const { id, question, options } = request;
  const words = options.includes('answer') ? '' : ` [${options.join(' / ')}]`;
  return [`? ${id}: ${question}${words}`, ...callLines(request)].join('\n');
}

/** The arguments of the tool call that waits. */
function callLines({ tool }: Pick<PendingRequest, 'tool'>): string[] {
  if (tool === null) return [];
  const lines = argumentText(tool.arguments).split('\n');
  const more = lines.length > MAX_LINES ? [`… ${lines.length - MAX_LINES} more lines`] : [];
  return [...lines.slice(0, MAX_LINES), ...more].map((line) => `    ${line}`);
}

/** Arguments as `name: value`; texts of several lines, such as code, unchanged. */
function argumentText(text: string): string {
  try {
    const given: unknown = JSON.parse(text);
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return text;
    return Object.entries(given)
      .map(([name, value]: [string, unknown]) => {
        if (typeof value !== 'string') return `${name}: ${JSON.stringify(value)}`;
        return value.includes('\n') ? `${name}:\n${value}` : `${name}: ${value}`;
      })
      .join('\n');
  } catch {
    // The text was cut, or is no JSON.
    return text;
  }
}

/** The request in full, with the commands that decide it. */
export function requestText(sessionId: string, request: PendingRequest): string {
  const { id, question, expiresAt, onExpiry } = request;
  return [
    `${id}: ${question}`,
    ...callLines(request),
    `    until ${expiresAt}; then ${onExpiry.words}`,
    ...commandsFor(sessionId, request).map((line) => `    ${line}`),
  ].join('\n');
}

function commandsFor(sessionId: string, { id, kind, options }: PendingRequest): string[] {
  const target = `${sessionId} ${id}`;
  switch (kind) {
    case 'tool':
      return [`copilot approve ${target} [--session]`, `copilot deny ${target} --reason "…"`];
    case 'outcome':
      return [
        `copilot decide ${target} done [--text "…"]`,
        `copilot decide ${target} not-done`,
        `copilot decide ${target} try-again`,
      ];
    case 'input':
      return [`copilot answer ${target} "…"`];
    case 'budget':
      return [`copilot approve ${target} [--limit …]`, `copilot deny ${target}`];
    case 'plan':
      return [
        `copilot plan ${sessionId}`,
        `copilot approve ${target}`,
        ...(options.includes('modify') ? [`copilot decide ${target} modify --text "…"`] : []),
        `copilot deny ${target} --reason "…"`,
      ];
    case 'before-step':
      return [`copilot approve ${target}`, `copilot deny ${target}`];
    case 'after-step':
      return [
        `copilot approve ${target}`,
        ...(options.includes('redo') ? [`copilot decide ${target} redo --text "…"`] : []),
      ];
  }
}
