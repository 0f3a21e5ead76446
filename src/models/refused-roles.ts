/** Roles that a server does not take, or not in this order. */
import type { Dialect, Lesson, Refused } from './dialect.ts';
import { messagesWithImages } from './images.ts';
import type { ModelRequest } from './model.ts';

/** Of templates that take turns of the person and the model only. */
export const ALTERNATION = /alternat|successive|consecutive|interleav/i;

/** The role that a refusal speaks of: that of the message at the place that it names, or one that it quotes. */
export function refusedRole(body: Refused['body'], words: string): string | undefined {
  const quoted = /\b(?:invalid|unknown|unsupported) (?:value|role):? ['"]?(system|developer|tool|function)\b/i.exec(
    words,
  );
  if (quoted) return quoted[1];
  const place = /\bmessages?(?:\[|\.|, ?)(\d+)\]?(?:\.|, ?)role\b/i.exec(words)?.[1];
  const messages = Array.isArray(body['messages']) ? (body['messages'] as Record<string, unknown>[]) : [];
  const role = messages[Number(place)]?.['role'];
  return typeof role === 'string' ? role : undefined;
}

/** Some templates say of a system message that the roles do not alternate. */
function isSystemBetween({ without }: Dialect, request: ModelRequest): boolean {
  return (
    (!hasEqualRoles(request) || without.has('equal roles')) &&
    (!hasUserAfterTool(request) || without.has('user after tool'))
  );
}

export function toOtherSystem(
  dialect: Dialect,
  { request, body, words }: Refused & { words: string },
): Lesson | undefined {
  if (request.system === '') return undefined;
  const role = refusedRole(body, words);
  if (role !== undefined && role !== dialect.system) return undefined;
  const isRole =
    role !== undefined ||
    (/\brole/i.test(words) && /system|developer|only user and assistant/i.test(words)) ||
    (ALTERNATION.test(words) && isSystemBetween(dialect, request));
  const isInstruction =
    /(system|developer) (message|role|prompt|instruction)s?[^.]{0,40}(not|un)\s?(supported|enabled|allowed)|system instruction is not enabled|does not support '?(system|developer)/i.test(
      words,
    );
  if (!isRole && !isInstruction) return undefined;
  const next =
    dialect.system === 'system' && /developer/i.test(words) && !/developer[^.]{0,30}not/i.test(words)
      ? 'developer'
      : 'user';
  if (dialect.system === 'user' || dialect.system === next) return undefined;
  return { dialect: { ...dialect, system: next }, gaveUp: `role ${dialect.system}` };
}

/** In the conversation, or because the images of the results follow them. */
export function hasUserAfterTool(request: ModelRequest): boolean {
  const { messages } = request;
  return (
    messagesWithImages(request).some(({ role }) => role === 'tool') ||
    messages.some(({ role }, index) => role === 'user' && messages[index - 1]?.role === 'tool')
  );
}

export function hasEqualRoles({ messages }: ModelRequest): boolean {
  return messages.some(({ role }, index) => role === 'user' && messages[index - 1]?.role === 'user');
}
