/** Tools that a server does not take: by name, or because they are too many. */
import type { Dialect, Lesson, Refused } from './dialect.ts';
import type { ModelReply, ModelRequest, ToolSchema } from './model.ts';
import { wireName } from './tool-names.ts';

/** The tools that go to the server. */
export function takenTools(
  { tools = [] }: Pick<ModelRequest, 'tools'>,
  { refusedTools, maxTools = Infinity }: Dialect,
): readonly ToolSchema[] {
  const taken = refusedTools.size === 0 ? tools : tools.filter((tool) => !refusedTools.has(toolKey(tool)));
  if (taken.length <= maxTools) return taken;
  // The turn itself needs the engine's own, which come last; servers of MCP bring the most.
  const isOfServer = ({ name }: ToolSchema): boolean => name.includes('.');
  const ranked = [...taken.filter((tool) => !isOfServer(tool)).toReversed(), ...taken.filter(isOfServer)];
  const kept = new Set(ranked.slice(0, maxTools));
  return taken.filter((tool) => kept.has(tool));
}

/** A reply with the names of the tools that the server did not take. */
export function withLeftOut(reply: ModelReply, { tools = [] }: ModelRequest, dialect: Dialect): ModelReply {
  const taken = takenTools({ tools }, dialect);
  if (taken.length === tools.length) return reply;
  return { ...reply, toolsLeftOut: tools.filter((tool) => !taken.includes(tool)).map(({ name }) => name) };
}

/** Another schema of the same name is tried again. */
function toolKey({ name, parameters }: ToolSchema): string {
  return `${name} ${JSON.stringify(parameters)}`;
}

/** Where a tool stands among those of the request. Gemini has all functions in one tool. */
const TOOL_INDEX =
  /\bfunction_?declarations(?:\[|\.)(\d+)|\btools?(?:\[|\.| ?-> ?)(\d+)(?!\d*\]?\.function_?declarations)/i;

/** One tool that is refused even with a plain schema goes alone, and the others get their schemas back. */
export function toFewerTools(dialect: Dialect, { request, words }: Refused & { words: string }): Lesson | undefined {
  if (dialect.without.has('tools')) return undefined;
  const tool = namedTool(takenTools(request, dialect), words);
  if (!tool) return undefined;
  const without = new Set([...dialect.without].filter((what) => what !== 'schema keywords'));
  const refusedTools = new Set([...dialect.refusedTools, toolKey(tool)]);
  return { dialect: { ...dialect, without, refusedTools }, gaveUp: `tool ${tool.name}`, tool: tool.name };
}

function namedTool(tools: readonly ToolSchema[], words: string): ToolSchema | undefined {
  const place = TOOL_INDEX.exec(words);
  const placed = place ? tools[Number(place[1] ?? place[2])] : undefined;
  if (placed || !/\b(functions?|tools?|schema|parameters)\b/i.test(words)) return placed;
  const quoted = new Set([...words.matchAll(/['"`‘“]([^'"`’”\s]{1,128})['"`’”]/g)].map(([, name]) => name));
  const named = new Set(
    [...words.matchAll(/\b(?:function|tool)(?: name)?:? ([\w.-]+[\w-])/gi)].map(([, name]) => name),
  );
  return tools.find(({ name }) => [name, wireName(name)].some((form) => quoted.has(form) || named.has(form)));
}

const DESCRIPTION_LIMIT = /\bdescription\b.{0,60}\b(?:maximum length|at most|max(?:imum)?)\D{0,20}(\d{2,5})/is;

/** Azure and others take 1,024 characters. A tool with the beginning of its description is better than none. */
export function toShorterDescriptions(
  dialect: Dialect,
  { request, words }: Refused & { words: string },
): Lesson | undefined {
  const limit = Number(DESCRIPTION_LIMIT.exec(words)?.[1] ?? Infinity);
  const longest = Math.max(0, ...takenTools(request, dialect).map(({ description }) => description.length));
  if (limit >= Math.min(longest, dialect.maxDescription ?? longest)) return undefined;
  const gaveUp = `descriptions of tools beyond ${limit} characters`;
  return { dialect: { ...dialect, maxDescription: limit }, gaveUp };
}

const TOOL_LIMIT =
  /\btools?\b[^.]{0,60}\b(?:array too long|too many|at most|maximum|limit|exceed)[^.]{0,60}|too many (?:tools|functions)/i;

/** OpenAI takes 128, and others fewer. */
export function toSoManyTools(dialect: Dialect, { request, words }: Refused & { words: string }): Lesson | undefined {
  const sent = takenTools(request, dialect).length;
  if (dialect.without.has('tools') || !TOOL_LIMIT.test(words)) return undefined;
  const limit = [...words.matchAll(/\b\d{1,4}\b/g)].map(Number).find((number) => number > 0 && number < sent);
  if (limit === undefined) return undefined;
  return { dialect: { ...dialect, maxTools: limit }, gaveUp: `more than ${limit} tools` };
}
