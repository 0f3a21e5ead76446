/** Phrases that make the offline model draw charts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readChart } from '../../helpers/svg.ts';
import { TOOLS } from './engine.ts';
import { startWorld, type World } from './world.ts';

const WITH_PLOTS = [...TOOLS, 'plot_chart'];

describe('offline model: charts', function () {
  this.timeout(60_000);
  let world: World;
  afterEach(() => world.end());

  it('draws what a phrase asks for, and says what is to be seen', async () => {
    world = await startWorld({ weather: true, files: ['sales.csv'], tools: WITH_PLOTS });
    const phrases: [string, string, (chart: ReturnType<typeof readChart>) => void][] = [
      [
        'plot the mean temperature per month in seattle-weather.csv to a.svg',
        'a.svg',
        ({ lines, legend }) => (assert.deepEqual(lines, [12, 12]), assert.deepEqual(legend, ['temp_max', 'temp_min'])),
      ],
      [
        'Draw a bar chart of total units by product from sales.csv to b.svg',
        'b.svg',
        ({ bars }) => assert.deepEqual(bars, ['apple: 12', 'fig: 3', 'pear: 9']),
      ],
      ['create a histogram of wind in seattle-weather.csv as c.svg', 'c.svg', ({ bars }) => assert.ok(bars.length > 5)],
      [
        'plot wind against temp_max, coloured by weather, from seattle-weather.csv to d.svg',
        'd.svg',
        ({ points, titles }) => (
          assert.equal(points.length, 1461),
          assert.ok(titles.includes('wind against temp_max, by weather'))
        ),
      ],
      [
        'plot precipitation over time from seattle-weather.csv to e.svg',
        'e.svg',
        ({ lines }) => assert.deepEqual(lines, [1461]),
      ],
      [
        'make a line chart of the average temp_max per month from seattle-weather.csv, one line per year, to f.svg',
        'f.svg',
        ({ lines }) => assert.deepEqual(lines, [12, 12, 12, 12]),
      ],
      [
        'plot the number of rows by weather in seattle-weather.csv',
        'weather.svg',
        ({ bars }) => assert.ok(bars.includes('rain: 641')),
      ],
    ];
    for (const [text, file, check] of phrases) {
      const turn = await world.engine.send(text);
      assert.equal(turn.decision.route, 'one-shot', text);
      assert.ok(turn.reply.includes(`\`${file}\``), turn.reply);
      assert.ok(existsSync(join(world.workspace, file)), `${text}: ${turn.reply}`);
      check(readChart(await world.read(file)));
    }
  });

  it('without the tool gives the figures and says what is missing, and calls no chart done that is not', async () => {
    world = await startWorld({ weather: true });
    const figures = await world.engine.send('plot the mean wind per month in seattle-weather.csv');
    assert.match(figures.reply, /mean wind by month.*needs the tool plot_chart/i);
    const chart = await world.engine.send('plot the mean wind per month in seattle-weather.csv to w.svg');
    assert.match(chart.reply, /^This needs the tool plot_chart, which is not offered/);
    assert.equal(existsSync(join(world.workspace, 'w.svg')), false);
  });

  it('says what it cannot draw, rather than something else', async () => {
    world = await startWorld({ weather: true, tools: WITH_PLOTS });
    for (const [text, problem] of [
      ['plot the mean wind per month in 2014 from seattle-weather.csv to w.svg', /whole tables only/],
      [
        'draw a scatter plot of happiness against money from seattle-weather.csv to w.svg',
        /needs two columns of numbers/,
      ],
      ['plot the mean wind per month from seattle-weather.csv to w.png', /Let it end with "\.svg"/],
    ] as const)
      assert.match((await world.engine.send(text)).reply, problem);
    assert.equal(existsSync(join(world.workspace, 'w.svg')), false);
  });
});
