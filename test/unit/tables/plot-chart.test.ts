import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageDir } from '../../../src/package-info.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import { readChart } from '../../helpers/svg.ts';
import type { ToolWorld } from '../tools/tool-world.ts';
import { createToolWorld } from '../tools/tool-world.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

describe('plot_chart', function () {
  this.timeout(90_000);
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());

  /** Draws a table with this content, and reads the file as well as the answer. */
  const draw = async (content: string | undefined, options: object) => {
    if (content !== undefined) await writeFile(join(world.workspace, 't.csv'), content);
    const result = await world.call('plot_chart', { path: 't.csv', output: 'out.svg', ...options });
    assert.deepEqual(result.artifacts, ['out.svg']);
    const svg = await readFile(join(world.workspace, 'out.svg'), 'utf8');
    // Asserted on by each test.
    return { chart: readChart(svg), svg, answer: JSON.parse(result.text) as Record<string, unknown> };
  };
  const refusedFor = async (content: string, options: object): Promise<string> => {
    await writeFile(join(world.workspace, 't.csv'), content);
    return world.refused('plot_chart', { path: 't.csv', output: 'out.svg', ...options });
  };

  describe('of the Seattle sample', () => {
    let rows: { date: string; rain: number; high: number; weather: string }[];
    before(async () => {
      const text = await readFile(join(packageDir, 'examples/data/seattle-weather.csv'), 'utf8');
      rows = text
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => {
          const [date = '', rain, high, , , weather = ''] = line.split(',');
          return { date, rain: Number(rain), high: Number(high), weather };
        });
    });
    beforeEach(() => copyFile(join(packageDir, 'examples/data/seattle-weather.csv'), join(world.workspace, 't.csv')));

    it('draws a bar for the total of each month, with months and figures on the axes', async () => {
      const { chart, answer } = await draw(undefined, { chart: 'bar', x: 'month(date)', y: ['precipitation'] });
      const expected = MONTHS.map((month, index) => {
        const tenths = rows
          .filter(({ date }) => Number(date.slice(5, 7)) === index + 1)
          .reduce((sum, { rain }) => sum + Math.round(rain * 10), 0);
        return `${month}: ${tenths / 10}`;
      });
      assert.deepEqual(chart.bars, expected);
      assert.deepEqual(chart.xLabels, MONTHS);
      assert.deepEqual(chart.yLabels, ['0', '100', '200', '300', '400', '500', '600', '700']);
      assert.deepEqual(chart.titles, [
        'month',
        'total precipitation',
        'Total precipitation by month',
        't.csv, 1461 rows',
      ]);
      assert.equal(answer['marks'], 12);
      assert.deepEqual((answer['figures'] as unknown[])[10], { x: 'Nov', y: 642.5 });
    });

    itInFull('draws a line of every day on an axis of time, and names the years on it', async () => {
      const { chart, answer } = await draw(undefined, { chart: 'line', x: 'date', y: ['temp_max'] });
      assert.deepEqual(chart.lines, [1461]);
      for (const year of ['2012', '2013', '2014', '2015']) assert.ok(chart.xLabels.includes(year), year);
      assert.ok(chart.titles.includes('temp_max'));
      assert.equal(answer['figures'], undefined, 'too many to repeat');
    });

    itInFull('draws a line of its own for each year, and tells them apart in the legend', async () => {
      const { chart } = await draw(undefined, {
        chart: 'line',
        x: 'month(date)',
        y: ['temp_max'],
        aggregate: 'mean',
        series: 'year(date)',
      });
      assert.deepEqual(chart.lines, [12, 12, 12, 12]);
      assert.deepEqual(chart.legend, ['2012', '2013', '2014', '2015']);
      assert.equal(chart.colours.length, 4);
      const july = rows.filter(({ date }) => date.startsWith('2013-07')).map(({ high }) => high);
      const mean = july.reduce((sum, high) => sum + high, 0) / july.length;
      assert.ok(chart.points.includes(`2013, Jul: ${Number(mean.toFixed(6))}`));
    });

    itInFull('stacks counts, and sets means side by side', async () => {
      const counts = await draw(undefined, { chart: 'bar', x: 'year(date)', series: 'weather' });
      const suns = rows.filter(({ date, weather }) => date.startsWith('2014') && weather === 'sun').length;
      assert.ok(counts.chart.bars.includes(`sun, 2014: ${suns}`));
      assert.equal(counts.chart.bars.length, new Set(rows.map(({ date, weather }) => date.slice(0, 4) + weather)).size);
      // A stack of a year's days is as high as the year is long.
      assert.deepEqual(counts.chart.yLabels.at(-1), '400');
      const means = await draw(undefined, { chart: 'bar', x: 'weather', y: ['wind', 'temp_max'], aggregate: 'mean' });
      assert.equal(means.chart.bars.length, 10);
      assert.deepEqual(means.chart.legend, ['wind', 'temp_max']);
      assert.deepEqual(means.chart.yLabels.at(-1), '20');
    });

    it('counts every row in exactly one bar of a histogram', async () => {
      const { chart, answer } = await draw(undefined, { chart: 'histogram', x: 'temp_max', bins: 10 });
      const bars = answer['figures'] as { from: number; to: number; y: number }[];
      assert.equal(chart.bars.length, bars.length);
      assert.ok(bars.length >= 6 && bars.length <= 13, `${bars.length} bars`);
      assert.equal(
        bars.reduce((sum, { y }) => sum + y, 0),
        1461,
      );
      for (const [index, { from, to, y }] of bars.entries()) {
        const isLast = index === bars.length - 1;
        assert.equal(
          y,
          rows.filter(({ high }) => high >= from && (high < to || (isLast && high <= to))).length,
          `${from}`,
        );
      }
    });

    itInFull('draws a point for each row, in the colour of its series', async () => {
      const { chart } = await draw(undefined, { chart: 'scatter', x: 'temp_max', y: ['wind'], series: 'weather' });
      assert.equal(chart.points.length, 1461);
      assert.equal(chart.points[0], 'drizzle, 12.8: 4.7');
      assert.equal(chart.colours.length, 5);
    });

    itInFull('draws the same file again from the same table', async () => {
      const options = { chart: 'line', x: 'year_month(date)', y: ['wind'], aggregate: 'median' };
      const first = await draw(undefined, options);
      await draw(undefined, { chart: 'histogram', x: 'wind' });
      assert.equal((await draw(undefined, options)).svg, first.svg);
    });
  });

  it('shows texts as they are, whatever they have in them, and none of them leaves the chart', async () => {
    const names = ['<script>alert(1)</script>', 'Müller & "Söhne"', "a'b", '日本'];
    const table = `name,n\n${names.map((name, index) => `"${name.replaceAll('"', '""')}",${index + 1}`).join('\n')}\n`;
    const { chart, svg } = await draw(table, {
      chart: 'bar',
      x: 'name',
      y: ['n'],
      title: 'a\u0007 <b> & c',
      y_label: 'size ]]>',
    });
    assert.deepEqual(chart.xLabels.toSorted(), names.toSorted());
    assert.ok(chart.titles.includes('a <b> & c'));
    assert.ok(chart.titles.includes('size ]]>'));
    assert.doesNotMatch(svg, /<script|<b>/);
  });

  itInFull('names every bar where there are 40 with long names', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `Department number ${index + 10}`);
    const { chart } = await draw(`name,n\n${names.map((name, index) => `${name},${index}`).join('\n')}\n`, {
      chart: 'bar',
      x: 'name',
      y: ['n'],
    });
    assert.deepEqual(chart.xLabels, names);
  });

  itInFull('breaks a long title into lines no wider than the chart', async () => {
    const title = 'What was sold in the four regions of the country between spring and autumn of each year '.repeat(3);
    const { chart } = await draw('a,b\n1,2\n2,3\n', { chart: 'line', x: 'a', y: ['b'], title });
    const lines = chart.titles.filter((line) => /region|sold|autumn|…/.test(line));
    assert.equal(lines.length, 3);
    assert.match(lines.at(-1) ?? '', /…$/);
    assert.ok(chart.width < 850, `${chart.width} pixels`);
  });

  itInFull('reads decimal commas, dates with points, and leaves out what is missing', async () => {
    const { chart, answer } = await draw('Tag;Wert\n1.2.2024;1,5\n3.2.2024;\n2.2.2024;2,5\n;9\n', {
      chart: 'line',
      x: 'Tag',
      y: ['Wert'],
    });
    assert.deepEqual(answer['figures'], [
      { x: '2024-02-01', y: 1.5 },
      { x: '2024-02-02', y: 2.5 },
    ]);
    assert.equal(answer['rows_left_out'], 2);
    assert.deepEqual(chart.lines, [2]);
    assert.deepEqual(chart.points, ['2024-02-01: 1.5', '2024-02-02: 2.5']);
  });

  itInFull('says how it read dates that could be read in two ways', async () => {
    const { answer } = await draw('day,n\n13/2/2024,1\n1/3/2024,2\n', { chart: 'line', x: 'day', y: ['n'] });
    assert.deepEqual(answer['notes'], ['Column "day" has the day first.']);
    assert.deepEqual(
      (answer['figures'] as { x: string }[]).map(({ x }) => x),
      ['2024-02-13', '2024-03-01'],
    );
  });

  itInFull('shows years as years, and negative bars below zero', async () => {
    const { chart } = await draw('year,profit\n2021,5\n2022,-3\n2023,4\n', { chart: 'line', x: 'year', y: ['profit'] });
    assert.deepEqual(
      chart.xLabels.filter((year) => /,/.test(year)),
      [],
    );
    assert.ok(chart.xLabels.includes('2022'));
    const bars = await draw(undefined, { chart: 'bar', x: 'year', y: ['profit'] });
    assert.deepEqual(bars.chart.bars, ['2021: 5', '2022: -3', '2023: 4']);
    assert.ok(bars.chart.yLabels.some((value) => value.startsWith('−')));
  });

  itInFull('draws a single value, equal values, and numbers too large for an axis', async () => {
    assert.deepEqual((await draw('a,b\n1,5\n', { chart: 'line', x: 'a', y: ['b'] })).chart.points, ['1: 5']);
    const flat = await draw('a\n7\n7\n7\n', { chart: 'histogram', x: 'a' });
    assert.deepEqual(
      (flat.answer['figures'] as { y: number }[]).map(({ y }) => y),
      [3],
    );
    const huge = await draw('a,b\n1,1e999\n2,3\n3,4\n', { chart: 'scatter', x: 'a', y: ['b'] });
    assert.deepEqual(huge.chart.points, ['2: 3', '3: 4']);
    assert.equal(huge.answer['rows_left_out'], 1);
  });

  itInFull('draws every so manieth of 100,000 rows, and says so', async () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => `${index},${index % 97}`);
    const { chart, answer, svg } = await draw(`a,b\n${rows.join('\n')}\n`, { chart: 'scatter', x: 'a', y: ['b'] });
    assert.equal(answer['every_row'], 32);
    assert.equal(chart.points.length, 100_000 / 32);
    assert.deepEqual(chart.points.slice(0, 2), ['0: 0', '32: 32']);
    assert.ok(chart.titles.includes('t.csv, 100000 rows (one of 32 is drawn)'));
    assert.ok(svg.length < 2_000_000);
  });

  it('refuses more bars, points and colours than anyone can see, and says what to do', async () => {
    const days = Array.from(
      { length: 6_000 },
      (_, index) => `${new Date(index * 86_400_000).toISOString().slice(0, 10)},${index}`,
    );
    const table = `day,n\n${days.join('\n')}\n`;
    const many = Array.from({ length: 30 }, (_, index) => `${index},c${index}`).join('\n');
    const pairs = Array.from({ length: 60_000 }, (_, index) => `${index},x${index}`).join('\n');
    const refusals: readonly (readonly [content: string, options: object, problem: RegExp])[] = [
      [
        table,
        { chart: 'bar', x: 'day', y: ['n'] },
        /x "day" has 6000 different values, and a bar chart shows 200 at most\. .*year_month\(column\)/,
      ],
      [table, { chart: 'line', x: 'day', y: ['n'] }, /6000 points, and a chart shows 5000 at most\. .*year_month/],
      [
        `a,c\n${many}\n`,
        { chart: 'bar', x: 'a', series: 'c' },
        /series "c" has 30 different values, and a chart shows 20 at most/,
      ],
      [`a,c\n${pairs}\n`, { chart: 'bar', x: 'c', series: 'a' }, /series "a" has 60000 different values/],
    ];
    for (const [content, options, problem] of someOf(refusals, 2))
      assert.match(await refusedFor(content, options), problem);
  });

  it('names the nearest column, and what a column lacks', async () => {
    const table = 'date,rain,weather\n2024-01-01,1,sun\n';
    const refusals: readonly (readonly [options: object, problem: RegExp])[] = [
      [{ chart: 'bar', x: 'wether', y: ['rain'] }, /no column "wether"\. Did you mean "weather"\?/],
      [{ chart: 'bar', x: 'weather', y: ['rian'] }, /no column "rian"\. Did you mean "rain"\?/],
      [{ chart: 'line', x: 'months(date)', y: ['rain'] }, /x does not support "months"\. .*month\(column\)/],
      [{ chart: 'line', x: 'date', y: ['rain'], series: 'year(rain)' }, /"rain" of "t\.csv" has no dates/],
      [{ chart: 'bar', x: 'date', y: ['weather'] }, /"weather" of "t\.csv" has no numbers to draw/],
      [{ chart: 'scatter', x: 'weather', y: ['rain'] }, /neither numbers nor dates.*bar chart/],
      [{ chart: 'histogram', x: 'weather' }, /"weather" of "t\.csv" has no numbers/],
    ];
    for (const [options, problem] of someOf(refusals, 3)) assert.match(await refusedFor(table, options), problem);
    assert.match(await refusedFor('a,b\n', { chart: 'bar', x: 'a' }), /no rows to draw/);
  });

  itInFull('refuses fields that do not go together', async () => {
    const tell = (options: object) => refusedFor('a,b,c\n1,2,3\n', { chart: 'bar', x: 'a', ...options });
    assert.match(await tell({ aggregate: 'mean' }), /aggregate "mean" needs y/);
    assert.match(await tell({ y: ['b', 'c'], series: 'a' }), /either several columns of y or the series/);
    assert.match(await tell({ bins: 3 }), /bins is only for histograms/);
    assert.match(await tell({ chart: 'scatter' }), /needs exactly one column as y, not none/);
    assert.match(await tell({ chart: 'scatter', y: ['b'], aggregate: 'sum' }), /takes no aggregate/);
    assert.match(await tell({ chart: 'histogram', y: ['b'] }), /shows only x/);
    assert.match(await tell({ chart: 'pie' }), /"chart"/);
    assert.match(await tell({ output: 'out.png' }), /Use a name that ends with "\.svg"/);
  });

  it('stays in the workspace, and writes nothing where it refuses', async () => {
    await symlink(world.folder, join(world.workspace, 'out'));
    const options = { chart: 'bar', x: 'a' };
    for (const output of ['../x.svg', '/tmp/x.svg', 'out/x.svg'])
      assert.match(await refusedFor('a\n1\n', { ...options, output }), /leads out of the workspace/);
    assert.match(await refusedFor('a\n1\n', { ...options, path: '../t.csv' }), /leads out of the workspace/);
    assert.match(await refusedFor('a\n1\n', { ...options, x: 'z' }), /no column "z"/);
    assert.deepEqual((await readdir(world.workspace)).toSorted(), ['out', 't.csv']);
    assert.deepEqual(await readdir(world.folder), ['workspace']);
  });

  it('loads the drawing library only when something is drawn', () => {
    const hook =
      'export const resolve = (name, context, next) => { if (name === "vega") throw new Error("it was loaded"); return next(name, context); };';
    const withoutVega = (code: string): string =>
      execFileSync(process.execPath, ['--input-type=module', '-e', code], {
        env: {},
        cwd: packageDir,
        encoding: 'utf8',
        stdio: 'pipe',
      });
    const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
    const load = `await import(${JSON.stringify(join(packageDir, 'src/tools/registry.ts'))});`;
    assert.equal(withoutVega(`${register} ${load} console.log('ready');`), 'ready\n');
    assert.throws(() => withoutVega(`${register} await import('vega');`), /it was loaded/);
  });
});
