/** Everything that the offline model understands. The first phrase that fits is taken. */
import { ASK_USER, HANDOFF_PREFIX, REMEMBER } from '../../src/contracts/activities.ts';
import { type Phrase, parseMessage, type Places } from './grammar.ts';
import { findGroup, plotChart, profileTable, wettestMonth } from './tables.ts';
import { callTool, CannotDo, type Desk, type Finding, markdown, type Work } from './work.ts';

const FILES = /files/i;
const FIGURES = /comput|calculat/i;
const CHARTS = /\bdraws?\b/i;
const TEXTS = /\bwrites?\b/i;
const CODE = /commands?|code|programs?/i;
const WEB = /web page/i;
const ANY = /^/;

const AGGREGATE = '(?<aggregate>sum|total|mean|average|median|min|max|count)';
const IN_TABLE = '(?: (?:in|of|from) {table})?';
/** What a tool gave may be long; a reply is not. */
const MAX_SHOWN = 2_000;

export const PHRASES: readonly Phrase[] = [
  {
    example: 'write "hello" to hello.txt',
    form: 'write {text} to {file}',
    agent: TEXTS,
    run: writing(({ text = '' }) => text),
  },
  {
    example: 'ask me which city, then write the answer to city.txt',
    form: 'write the (?:answer|results?) to {file}',
    agent: TEXTS,
    run: writing((_, { findings }) => valueOf(findings.at(-1))),
  },
  {
    example: 'profile seattle-weather.csv, then write a short report to report.md',
    form: 'write a (?:short )?report(?: with (?:a|the) (?:table|chart))? to {file}',
    agent: TEXTS,
    run: writing((_, { findings }) => `# Report\n\n${findings.map(markdown).join('\n\n') || 'Nothing was found.'}\n`),
  },
  {
    example: 'append "more" to log.txt',
    form: 'append {text} to {file}',
    agent: TEXTS,
    run: tool('append_file', ({ text = '', file }) => ({ path: file, content: `${text}\n` })),
  },
  {
    example: 'replace "two" with "2" in notes.txt',
    form: 'replace {text} with {new:text} in {file}',
    agent: TEXTS,
    run: tool('edit_file', ({ text, new: other = '', file }) => ({ path: file, old_text: text, new_text: other })),
  },
  { example: 'list the files', form: 'list (?:the )?files', agent: FILES, run: tool('list_files', () => ({})) },
  {
    example: 'read notes.txt',
    form: 'read {file}',
    agent: FILES,
    run: tool('read_file', ({ file }) => ({ path: file })),
  },
  {
    example: 'search for "budget"',
    form: 'search for {text}',
    agent: FILES,
    run: tool('search_files', ({ text }) => ({ pattern: text })),
  },
  {
    example: 'What is 19 * 23?',
    form: String.raw`(?:what is|calculate) {sum}\??`,
    agent: FIGURES,
    *run({ sum = '' }, desk) {
      const result = yield* callTool(desk, 'calculate', { expression: sum }, `I calculate ${sum}.`);
      return { sentence: `${sum} = ${result}`, value: result };
    },
  },
  { example: 'profile seattle-weather.csv', form: 'profile {table}', agent: FIGURES, run: profileTable },
  {
    example: 'find the wettest month in seattle-weather.csv',
    form: `find the wettest month${IN_TABLE}`,
    agent: FIGURES,
    run: wettestMonth,
  },
  {
    example: 'find the weather with the highest mean of temp_max in seattle-weather.csv',
    form: `find the {group:column} with the (?<end>highest|lowest) ${AGGREGATE} of {column}${IN_TABLE}`,
    agent: FIGURES,
    run: findGroup,
  },
  {
    example: 'plot the mean temp_max and temp_min per month from seattle-weather.csv to temperature.svg',
    form: `(?:plot|draw)(?: a (?<chart>bar|line) chart of)?(?: the)?(?: ${AGGREGATE})? {columns} per {group:column}${IN_TABLE} to {file}`,
    agent: CHARTS,
    run: plotChart,
  },
  {
    example: 'run the command: ls -l',
    form: 'run the command: {line}',
    agent: CODE,
    run: tool('shell', ({ line }) => ({ command: line })),
  },
  {
    example: 'run this code: ```node\nconsole.log(6 * 7)\n```',
    form: String.raw`run this code:\s*{block}`,
    agent: CODE,
    run: tool('run_code', ({ block = '' }) => ({
      language: /^```py/i.test(block) ? 'python' : 'node',
      code: block.replace(/^```[^\n]*\n/, '').replace(/```$/, ''),
    })),
  },
  {
    example: 'fetch https://example.org/',
    form: 'fetch {url}',
    agent: WEB,
    run: tool('fetch_url', ({ url }) => ({ url })),
  },
  {
    example: 'use everything.echo with {"message": "hi"}',
    form: 'use {name} with {json}',
    agent: ANY,
    *run({ name = '', json = '' }, desk) {
      return shown(name, yield* callTool(desk, name, parseObject(json), `I use ${name}.`));
    },
  },
  {
    example: 'remember that my unit is mm',
    form: 'remember that (?:my )?{name} is {words}',
    agent: ANY,
    *run({ name, words }, desk) {
      yield* callTool(desk, REMEMBER, { key: name, value: words }, 'I keep that.');
      return { sentence: `The session's context has ${name}: ${words}.` };
    },
  },
  {
    example: 'ask me which city, then write "Hello {answer}" to city.txt',
    form: 'ask me {words}',
    agent: ANY,
    joins: true,
    *run({ words = '' }, desk) {
      const question = asQuestion(words);
      const result = yield* callTool(desk, ASK_USER, { question }, 'I have a question.');
      // The result names who answered, then gives the answer.
      const value = result.slice(result.indexOf(': ') + 1).trim();
      return { sentence: `${question} ${value}`, value };
    },
  },
  {
    example: 'hand over to the writer: write "by hand" to a.txt',
    form: 'hand over to (?:the )?{name}: {rest}',
    agent: ANY,
    *run({ name, rest = '' }, desk) {
      yield* callTool(desk, `${HANDOFF_PREFIX}${name}`, { reason: rest }, `I hand this over to the ${name}.`);
      // From here on the other agent is asked.
      const { findings, problem } = yield* perform(rest, desk);
      if (problem !== undefined) throw new CannotDo(problem);
      return { sentence: findings.map(markdown).join('\n\n') };
    },
  },
  {
    example: 'count to 20 slowly',
    form: 'count to {number}',
    agent: ANY,
    run: saying(({ number }) => Array.from({ length: Number(number) }, (_, index) => index + 1).join(' ')),
  },
  { example: 'repeat after me: hello', form: 'repeat after me: {rest}', agent: ANY, run: saying(({ rest = '' }) => rest) },
  { example: 'what can you do?', form: String.raw`what can you do\??`, agent: ANY, run: saying(() => abilities()) },
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
  for (const { phrase, places } of phrases) {
    const known = [...desk.findings, ...findings];
    const answer = valueOf(known.findLast(({ value }) => value !== undefined));
    const filled = Object.entries(places).map(([name, place]) => [name, place?.replaceAll('{answer}', () => answer)]);
    try {
      findings.push(yield* phrase.run(Object.fromEntries(filled), { ...desk, findings: known }));
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

/** A phrase that is one call of a tool, and shows what it gave. */
function tool(name: string, args: (places: Places) => Readonly<Record<string, unknown>>): Phrase['run'] {
  return function* run(places, desk) {
    return shown(name, yield* callTool(desk, name, args(places), `I use ${name}.`));
  };
}

function writing(content: (places: Places, desk: Desk) => string): Phrase['run'] {
  return function* run(places, desk) {
    const { file = '' } = places;
    const result = yield* callTool(
      desk,
      'write_file',
      { path: file, content: content(places, desk) },
      `I write ${file}.`,
    );
    return { sentence: result };
  };
}

function saying(words: (places: Places) => string): Phrase['run'] {
  // eslint-disable-next-line require-yield -- it needs no tool
  return function* run(places) {
    return { sentence: words(places) };
  };
}

function shown(name: string, result: string): Finding {
  const text = result.length > MAX_SHOWN ? `${result.slice(0, MAX_SHOWN)}\n[…]` : result.trim();
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
