/** Chats of other programs: what the agents do in them, and what a program is sent. */
import type { ModelServer } from './model-server.ts';
import { calling } from './replies.ts';
import { playTeam } from './team-script.ts';

/** The agent runs code once, which waits for a person. */
export function playCode(model: ModelServer): void {
  let isDone = false;
  playTeam(model, {
    answer: 'it printed 1',
    instead: ({ lastRole, tools }) => {
      if (lastRole === 'tool') isDone = true;
      return !isDone && tools.includes('run_code')
        ? calling(['run_code', { language: 'node', code: 'console.log(1)' }])
        : undefined;
    },
  });
}

/** The agent runs code twice at once, and each call waits for a person. */
export function playTwoCodes(model: ModelServer): void {
  playTeam(model, {
    answer: 'both ran',
    instead: ({ lastRole, tools }) => {
      const code = (n: number) => ['run_code', { language: 'node', code: `console.log(${n})` }] as const;
      return lastRole !== 'tool' && tools.includes('run_code') ? calling(code(1), code(2)) : undefined;
    },
  });
}

/** The agent asks the person once. */
export function playQuestion(model: ModelServer): void {
  playTeam(model, {
    answer: 'so be it',
    instead: ({ lastRole, tools }) =>
      lastRole !== 'tool' && tools.includes('ask_user') ? calling(['ask_user', { question: 'which one?' }]) : undefined,
  });
}

/** What tests read of an event of either protocol. */
export interface Sent {
  readonly type: string;
  readonly code?: string;
  readonly errorText?: string;
  readonly approvalId?: string;
  readonly delta?: string;
  readonly outcome?: { readonly type: string; readonly interrupts?: readonly { readonly id: string }[] };
}

/** The data of all events that a request is answered with. */
export async function postForEvents(
  url: string,
  body: object,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly events: Sent[] }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json = '']) => JSON.parse(json) as Sent); // an event
  return { status: response.status, events };
}
