/** What callers of the OpenAI API send, as far as sessions can use it. Settings of the sampling are left to the team. */
import { z } from 'zod';
import { CopilotError } from '../../client.ts';

const TextPart = z.looseObject({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() });
/** Null is what an assistant said that only called tools. */
const Content = z.union([z.string(), z.array(z.unknown()), z.null().transform(() => '')]);
const MessageItem = z.looseObject({
  type: z.literal('message').optional(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: Content,
});
const ApprovalItem = z.looseObject({
  type: z.literal('mcp_approval_response'),
  approval_request_id: z.string(),
  approve: z.boolean(),
  reason: z.string().nullish(),
});
type ApprovalItem = z.infer<typeof ApprovalItem>;

export const CreateResponse = z.looseObject({
  model: z.string().nullish(),
  input: z.union([z.string(), z.array(z.unknown())]).optional(),
  instructions: z.string().nullish(),
  conversation: z.union([z.string(), z.looseObject({ id: z.string() })]).nullish(),
  previous_response_id: z.string().nullish(),
  stream: z.boolean().nullish(),
  background: z.boolean().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  tools: z.array(z.unknown()).nullish(),
});
export type CreateResponse = z.infer<typeof CreateResponse>;

export const CreateChat = z.looseObject({
  model: z.string().nullish(),
  messages: z.array(z.unknown()).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  tools: z.array(z.unknown()).nullish(),
});

export interface InputMessage {
  readonly role: 'user' | 'assistant' | 'system' | 'developer';
  readonly text: string;
}

/**
 * The messages and approvals of an input.
 * @param field where the caller has it
 * @throws CopilotError `InvalidInput` that names the item
 */
export function readInput(
  input: string | readonly unknown[],
  field = 'input',
): {
  readonly messages: readonly InputMessage[];
  readonly approvals: readonly ApprovalItem[];
} {
  if (typeof input === 'string') return { messages: [{ role: 'user', text: input }], approvals: [] };
  const messages: InputMessage[] = [];
  const approvals: ApprovalItem[] = [];
  for (const [index, item] of input.entries()) {
    const approval = ApprovalItem.safeParse(item);
    const message = MessageItem.safeParse(item);
    if (approval.success) approvals.push(approval.data);
    else if (message.success)
      messages.push({ role: message.data.role, text: textOf(message.data.content, `${field}[${index}]`) });
    else refuse(`${field}[${index}]`, 'use messages and mcp_approval_response; tools run on the workers');
  }
  return { messages, approvals };
}

function textOf(content: z.infer<typeof Content>, what: string): string {
  if (typeof content === 'string') return content;
  const parts = content.map((part) => {
    const parsed = TextPart.safeParse(part);
    return parsed.success ? parsed.data.text : refuse(what, 'only text can be sent here');
  });
  return parts.join('\n');
}

function refuse(what: string, problem: string): never {
  throw new CopilotError('InvalidInput', { what, problem });
}

/** @throws CopilotError `InvalidInput` if a caller brings tools of its own */
export function refuseTools(tools: readonly unknown[] | null | undefined): void {
  if (tools === undefined || tools === null || tools.length === 0) return;
  const problem = 'tools run on the workers; give them to an agent of the team, and leave this out';
  throw new CopilotError('InvalidInput', { what: 'tools', problem });
}

/** What the person says: the last messages of the user, with instructions before them. */
export function wordsOf(messages: readonly InputMessage[], instructions?: string | null): string {
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ text }) => text);
  const rules = [...(instructions ? [instructions] : []), ...system].join('\n');
  const said = messages.filter(({ role }) => role === 'user').map(({ text }) => text);
  const text = said.join('\n\n');
  return rules === '' ? text : `<instructions>\n${rules}\n</instructions>\n\n${text}`;
}
