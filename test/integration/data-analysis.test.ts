/** The team `data-analysis` at the task that docs/teams.md shows. Real server, real worker, the offline model. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import type { SessionHandle } from '../../src/client.ts';
import { readChart } from '../helpers/svg.ts';
import { startWorkerProcess } from '../helpers/worker.ts';
import { itInFull } from '../helpers/full.ts';
import { startWorld, type World } from '../helpers/world.ts';

const SAMPLE = join(packageDir, 'examples/data/seattle-weather.csv');
const TASK =
  'Profile seattle-weather.csv, plot the mean temp_max and temp_min per month to temperature.svg, and write a short report with the chart to report.md';

describe('team data-analysis', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld({ workers: 0 });
    // Without a key and a base URL, a worker has the offline model.
    world.workers.push(await startWorkerProcess(world.server));
  });
  after(() => world.stop());

  it('profiles a table, draws the chart that was asked for, and writes a report that shows it', async () => {
    const session = await world.copilot.create({ team: 'data-analysis', attach: [SAMPLE] });
    const turn = await session.send(TASK);
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.deepEqual(
      turn.steps.map(({ agent, status }) => [agent, status]),
      [
        ['analyst', 'completed'],
        ['charter', 'completed'],
        ['author', 'completed'],
      ],
    );
    assert.deepEqual(turn.artifacts.filter((path) => !path.startsWith('tool-output/')).toSorted(), [
      'report.md',
      'temperature.svg',
    ]);
    assert.equal(turn.cost, 0, 'the team has a price for the offline model');

    const chart = readChart(await read(session, 'temperature.svg'));
    const [highs, lows] = [await meansByMonth('temp_max'), await meansByMonth('temp_min')];
    const expected = [...highs].flatMap(([month, high]) => [
      `temp_max, ${month}: ${high}`,
      `temp_min, ${month}: ${lows.get(month)}`,
    ]);
    assert.equal(chart.points.length, 24);
    assert.deepEqual(chart.points.toSorted(), expected.toSorted());
    assert.deepEqual(chart.lines, [12, 12]);
    assert.deepEqual(chart.legend, ['temp_max', 'temp_min']);

    const report = await read(session, 'report.md');
    assert.match(report, /!\[[^\]]+\]\(temperature\.svg\)/);
    const inShort = (value = 0): string => String(Number(value.toFixed(2)));
    for (const [month, high] of highs)
      assert.ok(
        report.includes(`| ${month} | ${inShort(high)} | ${inShort(lows.get(month))} |`),
        `${month} in the table`,
      );
    assert.match(turn.reply, /temperature\.svg/);
  });

  itInFull('answers for a single chart directly, by the agent that draws', async () => {
    const session = await world.copilot.create({ team: 'data-analysis', mode: 'frugal', attach: [SAMPLE] });
    const turn = await session.send('Draw a bar chart of the total precipitation per year to rain.svg');
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.equal(turn.route, 'one-shot');
    const chart = readChart(await read(session, 'rain.svg'));
    assert.deepEqual(chart.bars, ['2012: 1226', '2013: 828', '2014: 1232.8', '2015: 1139.2']);
  });

  itInFull('in its mode "supervised" lets a person approve the plan before anything is drawn', async () => {
    const session = await world.copilot.create({ team: 'data-analysis', mode: 'supervised', attach: [SAMPLE] });
    const turn = await session.send(TASK);
    assert.equal(turn.status, 'awaiting-approval', turn.error?.message);
    assert.deepEqual(
      turn.requests?.map(({ kind }) => kind),
      ['plan'],
    );
    assert.deepEqual(turn.artifacts, []);
  });

  /** A file of a session's workspace. */
  const read = (session: SessionHandle, file: string) =>
    readFile(join(world.server.homeDir, 'workspaces', session.id, file), 'utf8');
});

/** Straight from the file, by the short name of the month. */
async function meansByMonth(column: 'temp_max' | 'temp_min'): Promise<Map<string, number>> {
  const months = new Map<string, number[]>();
  for (const line of (await readFile(SAMPLE, 'utf8')).trim().split('\n').slice(1)) {
    const [date = '', , max = '', min = ''] = line.split(',');
    const name = new Date(date).toLocaleString('en', { month: 'short', timeZone: 'UTC' });
    months.set(name, [...(months.get(name) ?? []), Number(column === 'temp_max' ? max : min)]);
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return new Map([...months].map(([name, values]) => [name, Number(mean(values).toFixed(6))]));
}
