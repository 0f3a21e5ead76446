/** Every phrase of docs/offline-model.md: what it calls, what it says, and the agent that it goes to. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PHRASES } from '../../../dev/offline-model/phrases.ts';
import { packageDir } from '../../../src/package-info.ts';
import { builtInTools, runTool } from '../../../src/tools/registry.ts';
import { planOf, playAgent, type PlayedCall } from './play.ts';
import { OUTSIDE } from '../tools/tool-world.ts';

const TABLE = 'seattle-weather.csv';
const rainPer = (format: string): string =>
  `SELECT strftime(date, '${format}') AS month, sum(precipitation) AS total, count(*) AS days FROM '${TABLE}' GROUP BY month ORDER BY total DESC`;

interface Expected {
  readonly calls: readonly PlayedCall[];
  readonly says: RegExp;
  readonly agent: string;
  /** What each of the calls gives; tables are computed by the real tools. */
  readonly results?: readonly string[];
}

const EXPECTED: Readonly<Record<string, Expected>> = {
  'write "hello" to hello.txt': {
    calls: [['write_file', { path: 'hello.txt', content: 'hello' }]],
    results: ['Wrote hello.txt (5 bytes).'],
    says: /^Wrote hello\.txt \(5 bytes\)\.$/,
    agent: 'writer',
  },
  'ask me which city, then write the answer to city.txt': {
    calls: [
      ['ask_user', { question: 'Which city?' }],
      ['write_file', { path: 'city.txt', content: 'Graz' }],
    ],
    results: ['ada answers: Graz', 'Wrote city.txt (4 bytes).'],
    says: /^Which city\? Graz\n\nWrote city\.txt/,
    agent: 'writer',
  },
  'profile seattle-weather.csv, then write a short report to report.md': {
    calls: [
      ['table_profile', { path: TABLE }],
      ['write_file', { path: 'report.md', content: '…' }],
    ],
    says: /^`seattle-weather\.csv` has 1461 rows and 6 columns, from 2012-01-01 to 2015-12-31\.[^]*\n\nWrote report\.md/,
    agent: 'engineer, writer',
  },
  'append "more" to log.txt': {
    calls: [['append_file', { path: 'log.txt', content: 'more' }]],
    results: ['Added 5 bytes.'],
    says: /^append_file gave: Added 5 bytes\.$/,
    agent: 'writer',
  },
  'replace "two" with "2" in notes.txt': {
    calls: [['edit_file', { path: 'notes.txt', old_text: 'two', new_text: '2' }]],
    results: ['Edited.'],
    says: /^edit_file gave: Edited\.$/,
    agent: 'writer',
  },
  'list the files': {
    calls: [['list_files', {}]],
    results: ['a.txt (1 bytes)\nb.txt (1 bytes)'],
    says: /^list_files gave 2 lines\.\n\n```\na\.txt/,
    agent: 'engineer',
  },
  'read notes.txt': {
    calls: [['read_file', { path: 'notes.txt' }]],
    results: ['The budget is 400.'],
    says: /^read_file gave: The budget is 400\.$/,
    agent: 'engineer',
  },
  'search for "budget"': {
    calls: [['search_files', { pattern: 'budget' }]],
    results: ['notes.txt:1: The budget'],
    says: /^search_files gave: notes\.txt:1/,
    agent: 'engineer',
  },
  'What is 19 * 23?': {
    calls: [['calculate', { expression: '19 * 23' }]],
    results: ['437'],
    says: /^19 \* 23 = 437$/,
    agent: 'engineer',
  },
  'profile seattle-weather.csv': {
    calls: [['table_profile', { path: TABLE }]],
    says: /^`seattle-weather\.csv` has 1461 rows[^]*\| precipitation \| decimal \| 0 \| 55\.9 \| 3\.03 \|/,
    agent: 'engineer',
  },
  'find the wettest month in seattle-weather.csv': {
    calls: [
      ['table_query', { sql: rainPer('%m') }],
      ['table_query', { sql: rainPer('%Y-%m') }],
    ],
    says: /^The wettest month is November: total precipitation 642\.5 over all years, followed by December with 622\.7\. The wettest single month is December 2015 with 284\.5\.\n[^]*\| \*\*November\*\* \| \*\*642\.5\*\* \| \*\*120\*\* \|/,
    agent: 'engineer',
  },
  'plot the mean temp_max and temp_min per month from seattle-weather.csv to temperature.svg': {
    calls: [
      [
        'plot_chart',
        {
          path: TABLE,
          output: 'temperature.svg',
          chart: 'line',
          x: 'month(date)',
          y: ['temp_max', 'temp_min'],
          aggregate: 'mean',
        },
      ],
    ],
    says: /^`temperature\.svg` shows: .+\n\n!\[.+\]\(temperature\.svg\)\n\n\| month \| temp_max \| temp_min \|/,
    agent: 'charter',
  },
  'run the command: ls -l': {
    calls: [['shell', { command: 'ls -l' }]],
    results: ['ada does not allow this call.'],
    says: /^shell gave: ada does not allow this call\.$/,
    agent: 'engineer',
  },
  'run this code: ```node\nconsole.log(6 * 7)\n```': {
    calls: [['run_code', { language: 'node', code: 'console.log(6 * 7)\n' }]],
    results: ['42'],
    says: /^run_code gave: 42$/,
    agent: 'engineer',
  },
  'fetch https://example.org/': {
    calls: [['fetch_url', { url: 'https://example.org/' }]],
    results: ['Title: Example'],
    says: /^fetch_url gave: Title: Example$/,
    agent: 'researcher',
  },
  'use everything.echo with {"message": "hi"}': {
    calls: [['everything__echo', { message: 'hi' }]],
    results: ['Echo: hi'],
    says: /^everything\.echo gave: Echo: hi$/,
    agent: 'engineer',
  },
  'remember that my unit is mm': {
    calls: [['remember', { key: 'unit', value: 'mm' }]],
    results: ['Kept.'],
    says: /context has unit: mm\.$/,
    agent: 'engineer',
  },
  'ask me which city, then write "Hello {answer}" to city.txt': {
    calls: [
      ['ask_user', { question: 'Which city?' }],
      ['write_file', { path: 'city.txt', content: 'Hello Graz' }],
    ],
    results: ['ada answers: Graz', 'Wrote city.txt (10 bytes).'],
    says: /Graz/,
    agent: 'writer',
  },
  'hand over to the writer: write "by hand" to a.txt': {
    calls: [
      ['transfer_to_writer', { reason: 'write "by hand" to a.txt' }],
      ['write_file', { path: 'a.txt', content: 'by hand' }],
    ],
    results: ['You are the writer now.', 'Wrote a.txt (7 bytes).'],
    says: /^Wrote a\.txt/,
    agent: 'engineer',
  },
  'count to 20 slowly': { calls: [], says: /^1 2 3 .* 19 20$/, agent: 'engineer' },
  'repeat after me: hello': { calls: [], says: /^hello$/, agent: 'engineer' },
  'what can you do?': {
    calls: [],
    says: /^I am the offline model[^]*OPENAI_API_KEY[^]*- read notes\.txt/,
    agent: 'engineer',
  },
};

const TOOLS = [...new Set(Object.values(EXPECTED).flatMap(({ calls }) => calls.map(([tool]) => tool)))];

describe('offline model: phrases', () => {
  let workspace: string;
  before(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'offline-model-'));
    await cp(join(packageDir, 'examples/data', TABLE), join(workspace, TABLE));
  });
  after(() => rm(workspace, { recursive: true, force: true }));

  const useTool = async (tool: string, args: unknown): Promise<string> => {
    const context = {
      ...OUTSIDE,
      workspace,
      signal: AbortSignal.timeout(20_000),
      network: { allow: [], private: false },
    };
    return (await runTool(builtInTools, tool, JSON.stringify(args), context)).text;
  };

  it('are those of the README, and all are shown here', async () => {
    const readme = await readFile(join(packageDir, 'docs/offline-model.md'), 'utf8');
    const rows = [...readme.matchAll(/^\| `+ ?(.+?) ?`+ \|/gm)].map(([, example]) => example);
    const examples = PHRASES.map(({ example }) => example);
    assert.deepEqual(
      rows,
      examples.map((example) => example.replaceAll('\n', ' ')),
    );
    assert.deepEqual(Object.keys(EXPECTED), examples);
  });

  for (const [example, { calls, says, agent, results }] of Object.entries(EXPECTED)) {
    it(example.replaceAll('\n', ' '), async () => {
      const left = [...(results ?? [])];
      const played = await playAgent(example, TOOLS, (tool, args) => left.shift() ?? useTool(tool, args));
      const [last, other] = [played.calls.at(-1), calls.at(-1)];
      if (other?.[1]['content'] === '…') {
        assert.match(String(last?.[1]['content']), /^# Report\n\n`seattle-weather\.csv` has 1461 rows[^]*\| date \|/);
        assert.deepEqual(played.calls.slice(0, -1), calls.slice(0, -1));
      } else assert.deepEqual(played.calls, calls);
      assert.match(played.text, says);
      assert.equal(
        planOf(example)
          .map((step) => step.agent)
          .join(', '),
        agent,
      );
    });
  }
});
