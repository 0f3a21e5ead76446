/** Everything that the offline model understands. The first phrase that fits is taken. */
import { ASK_USER, HANDOFF_PREFIX, REMEMBER } from '../../src/contracts/activities.ts';
import { beginningOf } from '../../src/contracts/text-cut.ts';
import { type Phrase, parseMessage, type Places } from './grammar.ts';
import { plotChart, profileTable, wettestMonth } from './tables.ts';
import { callTool, CannotDo, type Desk, type Finding, markdown, type Work } from './work.ts';

const FILES = /files/i;
const FIGURES = /comput|calculat/i;
const CHARTS = /\bdraws?\b/i;
const TEXTS = /\bwrites?\b/i;
const CHANGES = /changes files|\bwrites?\b/i;
const CODE = /commands?|code|programs?/i;
const WEB = /web page/i;
const ANY = /^/;

/** What a tool gave may be long; a reply is not. */
const MAX_SHOWN = 2_000;

/** Example, form, agent, work. */
export const PHRASES: readonly Phrase[] = [
  phrase('write "hello" to hello.txt', 'write {text} to {file}', TEXTS, writeText),
  phrase(
    'ask me which city, then write the answer to city.txt',
    'write the (?:answer|results?) to {file}',
    TEXTS,
    writeAnswer,
  ),
  phrase(
    'profile seattle-weather.csv, then write a short report to report.md',
    'write a (?:short )?report(?: with (?:a|the) (?:table|chart))?(?: to {file})?',
    TEXTS,
    writeReport,
  ),
  phrase(
    'append "more" to log.txt',
    'append {text} to {file}',
    CHANGES,
    tool('append_file', { path: 'file', content: 'text' }),
  ),
  phrase(
    'replace "two" with "2" in notes.txt',
    'replace {text} with {new:text} in {file}',
    CHANGES,
    tool('edit_file', { path: 'file', old_text: 'text', new_text: 'new' }),
  ),
  phrase('list the files', 'list (?:the )?files', FILES, tool('list_files', {})),
  phrase('read notes.txt', 'read {file}', FILES, tool('read_file', { path: 'file' })),
  phrase('search for "budget"', 'search for {text}', FILES, tool('search_files', { pattern: 'text' })),
  phrase('What is 19 * 23?', String.raw`(?:what is|calculate) {sum}\??`, FIGURES, calculate),
  phrase('profile seattle-weather.csv', 'profile {table}', FIGURES, profileTable),
  phrase(
    'find the wettest month in seattle-weather.csv',
    'find the wettest month(?: in {table})?',
    FIGURES,
    wettestMonth,
  ),
  phrase(
    'plot the mean temp_max and temp_min per month from seattle-weather.csv to temperature.svg',
    '(?:plot|draw)(?: a (?<chart>bar|line) chart of)?(?: the)?(?: (?<aggregate>total|mean))? {columns} per {column}(?: from {table})? to {file}',
    CHARTS,
    plotChart,
  ),
  phrase('run the command: ls -l', 'run the command: {line}', CODE, tool('shell', { command: 'line' })),
  phrase('run this code: ```node\nconsole.log(6 * 7)\n```', String.raw`run this code:\s*{block}`, CODE, runCode),
  phrase('fetch https://example.org/', 'fetch {url}', WEB, tool('fetch_url', { url: 'url' })),
  phrase('use everything.echo with {"message": "hi"}', 'use {name} with {json}', ANY, useTool),
  phrase('remember that my unit is mm', 'remember that (?:my )?{name} is {words}', ANY, remember),
  phrase('ask me which city, then write "Hello {answer}" to city.txt', 'ask me {words}', ANY, askPerson),
  phrase('hand over to the writer: write "by hand" to a.txt', 'hand over to (?:the )?{name}: {rest}', ANY, handOver),
  phrase('count to 20 slowly', 'count to {number}', ANY, count),
  phrase('repeat after me: hello', 'repeat after me: {rest}', ANY, ({ rest = '' }) => ({ sentence: rest })),
  phrase('what can you do?', String.raw`what can you do\??`, ANY, () => ({ sentence: abilities() })),
];

export interface Outcome {
  readonly findings: readonly Finding[];
  /** Why the phrases behind the findings were not done. */
  readonly problem?: string;
}

/** Does what a text asks for, phrase by phrase. */
export function* perform(text: string, desk: Desk): Work<Outcome> {
  const phrases = parseMessage(text, PHRASES);
  if (!phrases) return { findings: [], problem: `I do not understand this message. ${abilities()}` };
  const findings: Finding[] = [];
  for (const { phrase: found, places } of phrases) {
    const known = [...desk.findings, ...findings];
    const answer = valueOf(known.findLast(({ value }) => value !== undefined));
    const filled = Object.entries(places).map(([name, place]) => [name, place?.replaceAll('{answer}', () => answer)]);
    try {
      const made = found.run(Object.fromEntries(filled), { ...desk, findings: known });
      findings.push('sentence' in made ? made : yield* made);
    } catch (error) {
      if (!(error instanceof CannotDo)) throw error;
      return { findings, problem: error.message };
    }
  }
  return { findings };
}

/** `which city` as `Which city?` */
export function asQuestion(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1).trim()}?`;
}

function abilities(): string {
  const examples = PHRASES.map(({ example }) => `- ${example.replaceAll('\n', ' ')}`);
  return `I am the offline model: I follow a fixed list of phrases. Set OPENAI_API_KEY or OPENAI_BASE_URL for a real model. The phrases, which \`then\` can join:\n\n${examples.join('\n')}`;
}

function phrase(example: string, form: string, agent: RegExp, run: Phrase['run']): Phrase {
  return { example, form, agent, run };
}

/** A phrase that is one call of a tool: `args` names the place that each argument comes from. */
function tool(name: string, args: Readonly<Record<string, string>>): Phrase['run'] {
  return function* run(places) {
    const given = Object.fromEntries(Object.entries(args).map(([arg, place]) => [arg, places[place] ?? '']));
    return shown(name, yield* callTool(name, given, `I use ${name}.`));
  };
}

function writeText({ text = '', file = '' }: Places): Work<Finding> {
  return writeFile(file, text);
}

function writeAnswer({ file = '' }: Places, { findings }: Desk): Work<Finding> {
  return writeFile(file, valueOf(findings.at(-1)));
}

function writeReport({ file = 'report.md' }: Places, { findings }: Desk): Work<Finding> {
  return writeFile(file, `# Report\n\n${findings.map(markdown).join('\n\n') || 'Nothing was found.'}\n`);
}

function* writeFile(path: string, content: string): Work<Finding> {
  return { sentence: yield* callTool('write_file', { path, content }, `I write ${path}.`) };
}

function* calculate({ sum = '' }: Places): Work<Finding> {
  const value = yield* callTool('calculate', { expression: sum }, `I calculate ${sum}.`);
  return { sentence: `${sum} = ${value}`, value };
}

function* runCode({ block = '' }: Places): Work<Finding> {
  const language = /^```py/i.test(block) ? 'python' : 'node';
  const code = block.replace(/^```[^\n]*\n/, '').replace(/```$/, '');
  return shown('run_code', yield* callTool('run_code', { language, code }, 'I run the code.'));
}

function* useTool({ name = '', json = '' }: Places): Work<Finding> {
  return shown(name, yield* callTool(name, parseObject(json), `I use ${name}.`));
}

function* remember({ name, words }: Places): Work<Finding> {
  yield* callTool(REMEMBER, { key: name, value: words }, 'I keep that.');
  return { sentence: `The session's context has ${name}: ${words}.` };
}

function* askPerson({ words = '' }: Places): Work<Finding> {
  const question = asQuestion(words);
  const result = yield* callTool(ASK_USER, { question }, 'I have a question.');
  // The result names who answered, then gives the answer.
  const value = result.slice(result.indexOf(': ') + 1).trim();
  return { sentence: `${question} ${value}`, value };
}

/** Behind the call, it is the other agent who is asked. */
function* handOver({ name = '', rest = '' }: Places, desk: Desk): Work<Finding> {
  yield* callTool(`${HANDOFF_PREFIX}${name}`, { reason: rest }, `I hand this over to the ${name}.`);
  const { findings, problem } = yield* perform(rest, desk);
  if (problem !== undefined) throw new CannotDo(problem);
  return { sentence: findings.map(markdown).join('\n\n') };
}

function count({ number }: Places): Finding {
  return { sentence: Array.from({ length: Number(number) }, (_, index) => index + 1).join(' ') };
}

function shown(name: string, result: string): Finding {
  const text = result.length > MAX_SHOWN ? `${beginningOf(result, MAX_SHOWN)}\n[…]` : result.trim();
  if (!text.includes('\n')) return { sentence: `${name} gave: ${text}`, value: text };
  return { sentence: `${name} gave ${text.split('\n').length} lines.`, body: `\`\`\`\n${text}\n\`\`\``, value: text };
}

function valueOf(finding: Finding | undefined): string {
  return finding === undefined ? '' : (finding.value ?? markdown(finding));
}

function parseObject(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json) as Record<string, unknown>; // it has braces around it
  } catch {
    throw new CannotDo(`This is not valid JSON: ${json}`);
  }
}
