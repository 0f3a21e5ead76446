/** What callers of the OpenAI API send, as far as sessions can use it. Settings of the sampling are left to the team. */
import { z } from 'zod';
import { CopilotError } from '../../client.ts';
import { type GivenFile, nameAfterContent, readBase64, readDataUrl } from '../files/given-file.ts';

const TextPart = z.looseObject({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() });
const FileFields = z.looseObject({
  filename: z.string().nullish(),
  file_data: z.string().nullish(),
  file_url: z.string().nullish(),
  file_id: z.string().nullish(),
});
const ImagePart = z.looseObject({
  type: z.enum(['input_image', 'image_url']),
  image_url: z.union([z.string(), z.looseObject({ url: z.string() }).transform(({ url }) => url)]).nullish(),
  file_id: z.string().nullish(),
});
const FilePart = z.union([
  FileFields.extend({ type: z.literal('input_file') }),
  z.looseObject({ type: z.literal('file'), file: FileFields }).transform(({ file }) => file),
]);
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
/**
 * Items of earlier responses that come back, when a program keeps the conversation itself. What a session keeps of a turn
 * is its message.
 */
const OwnItem = z.looseObject({
  type: z.enum(['mcp_call', 'mcp_approval_request', 'mcp_list_tools', 'reasoning']),
});

/** The form that an answer is to have. */
const Format = z.looseObject({ type: z.string() }).nullish();

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
  text: z.looseObject({ format: Format }).nullish(),
});
export type CreateResponse = z.infer<typeof CreateResponse>;

export const CreateChat = z.looseObject({
  model: z.string().nullish(),
  messages: z.array(z.unknown()).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  tools: z.array(z.unknown()).nullish(),
  response_format: Format,
  n: z.number().nullish(),
});

export interface InputMessage {
  readonly role: 'user' | 'assistant' | 'system' | 'developer';
  readonly text: string;
  readonly files: readonly GivenFile[];
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
  if (typeof input === 'string') return { messages: [{ role: 'user', text: input, files: [] }], approvals: [] };
  const messages: InputMessage[] = [];
  const approvals: ApprovalItem[] = [];
  for (const [index, item] of input.entries()) {
    const approval = ApprovalItem.safeParse(item);
    const message = MessageItem.safeParse(item);
    if (approval.success) approvals.push(approval.data);
    else if (message.success)
      messages.push({ role: message.data.role, ...readContent(message.data.content, `${field}[${index}].content`) });
    else if (!OwnItem.safeParse(item).success)
      refuse(`${field}[${index}]`, 'use messages and mcp_approval_response; tools run on the workers');
  }
  return { messages, approvals };
}

function readContent(content: z.infer<typeof Content>, field: string): Pick<InputMessage, 'text' | 'files'> {
  if (typeof content === 'string') return { text: content, files: [] };
  const texts: string[] = [];
  const files: GivenFile[] = [];
  for (const [index, part] of content.entries()) {
    const what = `${field}[${index}]`;
    const text = TextPart.safeParse(part);
    const image = ImagePart.safeParse(part);
    const file = FilePart.safeParse(part);
    if (text.success) texts.push(text.data.text);
    else if (image.success) files.push(readImage(image.data, what));
    else if (file.success) files.push(readFile(file.data, what));
    else refuse(what, 'send text, images and files');
  }
  return { text: texts.join('\n'), files };
}

function readImage({ image_url: url, file_id: id }: z.output<typeof ImagePart>, what: string): GivenFile {
  if (typeof id === 'string') refuseFileId(what);
  return readDataUrl(url ?? '', undefined, `${what}.image_url`);
}

function readFile(file: z.output<typeof FilePart>, what: string): GivenFile {
  const { filename, file_data: data, file_url: url, file_id: id } = file;
  if (typeof id === 'string') refuseFileId(what);
  const name = filename ?? undefined;
  if (typeof data !== 'string') return readDataUrl(url ?? '', name, `${what}.file_url`);
  if (/^data:/i.test(data)) return readDataUrl(data, name, `${what}.file_data`);
  return readBase64(data, { name, mediaType: undefined }, `${what}.file_data`);
}

function refuseFileId(what: string): never {
  refuse(`${what}.file_id`, 'the gateway keeps no files outside of sessions; send the content itself');
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

/** @throws CopilotError `InvalidInput` if an answer is to have another form than text */
export function refuseFormat(format: z.infer<typeof Format>, what: string): void {
  if ((format?.type ?? 'text') === 'text') return;
  const problem = 'the team decides about the form of its answers; ask for it in words, and leave this out';
  throw new CopilotError('InvalidInput', { what, problem });
}

/** What the person says: the last messages of the user, with instructions before them. */
export function wordsOf(messages: readonly InputMessage[], instructions?: string | null): string {
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ text }) => text);
  const rules = [...(instructions ? [instructions] : []), ...system].join('\n');
  const said = messages.filter(({ role }) => role === 'user').map(({ text }) => text);
  const text = said.join('\n\n');
  return rules === '' ? text : `<instructions>\n${rules}\n</instructions>\n\n${text}`;
}

/** A message that a session keeps. */
export type Said = InputMessage & { readonly role: 'user' | 'assistant' };

/** What a person sends at once is one message. Its files are named after their content. */
export function sentAtOnce(sent: readonly InputMessage[]): Said {
  const files = sent.flatMap((one) => one.files).map(nameAfterContent);
  return { role: 'user', text: wordsOf(sent), files };
}

/** The conversation as a session keeps it. */
export function asSaid(messages: readonly InputMessage[]): Said[] {
  const said: Said[] = [];
  let sent: InputMessage[] = [];
  for (const message of messages) {
    if (message.role !== 'assistant') sent.push(message);
    else {
      if (sent.length > 0) said.push(sentAtOnce(sent));
      said.push({ role: 'assistant', text: message.text, files: [] });
      sent = [];
    }
  }
  return said;
}
