/** A request as people read it: what is asked, about what, until when, and how to decide. */
import type { PendingRequest } from '../../contracts/request.ts';

const MAX_LINES = 40;

/** What is asked, and the words that decide it. */
export function requestLine(request: PendingRequest): string {
  const { id, question, options } = request;
  const words = options.includes('answer') ? '' : ` [${options.join(' / ')}]`;
  return [`? ${id}: ${question}${words}`, ...callLines(request)].join('\n');
}

/** What a call that waits would be made with, in full as far as the session shows it. */
function callLines({ tool }: Pick<PendingRequest, 'tool'>): string[] {
  if (tool === null) return [];
  const lines = argumentText(tool.arguments).split('\n');
  const more = lines.length > MAX_LINES ? [`… ${lines.length - MAX_LINES} more lines`] : [];
  return [...lines.slice(0, MAX_LINES), ...more].map((line) => `    ${line}`);
}

/** Long texts as they are, such as code; the rest as `name: value`. */
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
    // Cut off, or never JSON.
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
