import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rounded } from '../../../src/tools/tables/csv/values.ts';
import type { ToolWorld } from './tool-world.ts';
import { createToolWorld } from './tool-world.ts';

const SAMPLE = join(import.meta.dirname, '../../../examples/data/seattle-weather.csv');

describe('csv_profile', () => {
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());

  /** The answer for a table with this content; its shape is what each test asserts. */
  const profile = async (content: string | Buffer, options: object = {}) => {
    await writeFile(join(world.workspace, 't.csv'), content);
    return JSON.parse((await world.call('csv_profile', { path: 't.csv', ...options })).text);
  };
  const refusedFor = async (content: string | Buffer, options: object = {}): Promise<string> => {
    await writeFile(join(world.workspace, 't.csv'), content);
    return world.refused('csv_profile', { path: 't.csv', ...options });
  };
  const results = (answer: { groups: { group: string; result: number }[] }): [string, number][] =>
    answer.groups.map(({ group, result }) => [group, result]);

  describe('of the Seattle sample', () => {
    let rows: string[][];
    before(async () => {
      rows = (await readFile(SAMPLE, 'utf8'))
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(','));
    });
    beforeEach(() => copyFile(SAMPLE, join(world.workspace, 'seattle-weather.csv')));
    const ask = async (options: object) =>
      JSON.parse((await world.call('csv_profile', { path: 'seattle-weather.csv', ...options })).text);

    it('sums precipitation by month as an independent count does, and names the wettest and driest', async () => {
      // In tenths of a millimetre, so that nothing rounds.
      const tenths = new Map<string, number>();
      for (const [date = '', precipitation = ''] of rows) {
        const month = date.slice(5, 7);
        tenths.set(month, (tenths.get(month) ?? 0) + Math.round(Number(precipitation) * 10));
      }
      const expected = [...tenths]
        .map(([month, sum]): [string, number] => [month, sum / 10])
        .sort(([left], [right]) => Number(left) - Number(right));
      const answer = await ask({ group_by: 'month(date)', value: 'precipitation' });
      assert.deepEqual(results(answer), expected);
      const byAmount = expected.toSorted((left, right) => right[1] - left[1]);
      assert.deepEqual([answer.highest.group, answer.highest.result], byAmount[0]);
      assert.deepEqual([answer.lowest.group, answer.lowest.result], byAmount.at(-1));
      assert.deepEqual(answer.highest, { group: '11', rows: 120, result: 642.5 });
      assert.equal(answer.aggregate, 'sum');
    });

    it('profiles every column', async () => {
      const answer = await ask({});
      const amounts = rows.map((row) => Math.round(Number(row[1]) * 10));
      const mean = amounts.reduce((sum, value) => sum + value, 0) / amounts.length / 10;
      const squares = amounts.reduce((sum, value) => sum + (value / 10 - mean) ** 2, 0);
      assert.equal(answer.rows, 1461);
      assert.deepEqual(
        answer.columns.map((column: { name: string; type: string }) => `${column.name}: ${column.type}`),
        [
          'date: date',
          'precipitation: number',
          'temp_max: number',
          'temp_min: number',
          'wind: number',
          'weather: text',
        ],
      );
      assert.deepEqual(answer.columns[0], {
        name: 'date',
        type: 'date',
        non_empty: 1461,
        missing: 0,
        distinct: 1461,
        first: '2012-01-01',
        last: '2015-12-31',
      });
      assert.deepEqual(answer.columns[1], {
        name: 'precipitation',
        type: 'number',
        non_empty: 1461,
        missing: 0,
        distinct: new Set(amounts).size,
        min: 0,
        max: Math.max(...amounts) / 10,
        mean: Number(mean.toFixed(6)),
        sum: amounts.reduce((sum, value) => sum + value, 0) / 10,
        std: Number(Math.sqrt(squares / (amounts.length - 1)).toFixed(6)),
      });
      const weather = new Map<string, number>();
      for (const row of rows) weather.set(row[5] ?? '', (weather.get(row[5] ?? '') ?? 0) + 1);
      assert.deepEqual(
        answer.columns[5].most_common.map(({ value, count }: { value: string; count: number }) => [value, count]),
        [...weather].sort((left, right) => right[1] - left[1]),
      );
    });

    it('groups by year, year and month, weekday and a column, with every aggregate', async () => {
      const count = async (group_by: string) => results(await ask({ group_by }));
      assert.deepEqual(await count('year(date)'), [
        ['2012', 366],
        ['2013', 365],
        ['2014', 365],
        ['2015', 365],
      ]);
      const months = await count('year_month(date)');
      assert.equal(months.length, 48);
      assert.deepEqual(
        [months[1], months.at(-1)],
        [
          ['2012-02', 29],
          ['2015-12', 31],
        ],
      );
      // 2012-01-01 was a Sunday, and 1,461 days are 208 weeks and 5 days: Sunday to Thursday come once more.
      assert.deepEqual(await count('weekday(date)'), [
        ['Monday', 209],
        ['Tuesday', 209],
        ['Wednesday', 209],
        ['Thursday', 209],
        ['Friday', 208],
        ['Saturday', 208],
        ['Sunday', 209],
      ]);
      const snow = rows
        .filter((row) => row[5] === 'snow')
        .map((row) => Number(row[3]))
        .sort((left, right) => left - right);
      for (const [aggregate, expected] of Object.entries({
        min: snow[0],
        max: snow.at(-1),
        count: snow.length,
        mean: Number((snow.reduce((sum, value) => sum + value, 0) / snow.length).toFixed(6)),
        median: rounded(
          ((snow[Math.floor(snow.length / 2)] ?? NaN) + (snow[Math.ceil(snow.length / 2) - 1] ?? NaN)) / 2,
        ),
      })) {
        const groups = new Map(results(await ask({ group_by: 'weather', value: 'temp_min', aggregate })));
        assert.deepEqual([...groups.keys()], ['drizzle', 'fog', 'rain', 'snow', 'sun']);
        assert.equal(groups.get('snow'), expected, aggregate);
      }
    });

    it('names the known columns and the nearest for one that is not there', async () => {
      assert.equal(
        await world.refused('csv_profile', {
          path: 'seattle-weather.csv',
          group_by: 'month(date)',
          value: 'percipitation',
        }),
        'seattle-weather.csv has no column "percipitation". Did you mean "precipitation"? Its columns are: date, precipitation, temp_max, temp_min, wind, weather.',
      );
      assert.match(
        await world.refused('csv_profile', { path: 'seattle-weather.csv', group_by: 'month(day)' }),
        /no column "day"/,
      );
      assert.match(
        await world.refused('csv_profile', { path: 'seattle-weather.csv', group_by: 'quarter(date)' }),
        /does not support "quarter". Use a column, or month\(column\), year/,
      );
      assert.match(
        await world.refused('csv_profile', { path: 'seattle-weather.csv', group_by: 'month(wind)' }),
        /^column "wind" of seattle-weather.csv has no dates \(it has, for example, "4.7"\)/,
      );
      assert.match(
        await world.refused('csv_profile', { path: 'seattle-weather.csv', group_by: 'date', value: 'weather' }),
        /^column "weather" of seattle-weather.csv has no numbers/,
      );
      assert.match(
        await world.refused('csv_profile', { path: 'seattle-weather.csv', group_by: 'weather', aggregate: 'mean' }),
        /^aggregate "mean" needs value/,
      );
      const insensitive = await ask({ group_by: 'Month(DATE)', value: 'Precipitation' });
      assert.equal(insensitive.highest.group, '11');
    });
  });

  it('reads a byte order mark, quotes with commas, quotes and line breaks, and CRLF', async () => {
    const answer = await profile('\uFEFFname,note\r\n"Doe, Jane","said ""hi""\r\nand left"\r\nBob,plain\r\n');
    assert.equal(answer.rows, 2);
    assert.deepEqual(
      answer.columns.map((column: { name: string }) => column.name),
      ['name', 'note'],
    );
    assert.deepEqual(answer.columns[0].most_common, [
      { value: 'Bob', count: 1 },
      { value: 'Doe, Jane', count: 1 },
    ]);
    assert.deepEqual(answer.columns[1].most_common, [
      { value: 'plain', count: 1 },
      { value: 'said "hi"\r\nand left', count: 1 },
    ]);
    assert.equal('ragged_rows' in answer, false);
  });

  it('finds semicolons with decimal commas, and tabs, by itself', async () => {
    const european = await profile('Stadt;Preis\nBonn;1,50\nKöln;1.234,25\n', { group_by: 'Stadt', value: 'Preis' });
    assert.deepEqual(results(european), [
      ['Bonn', 1.5],
      ['Köln', 1234.25],
    ]);
    assert.deepEqual([european.delimiter, european.decimal], [';', ',']);
    const tabs = await profile('a\tb\n1\tx, y; z\n2.5\tw\n');
    assert.equal(tabs.delimiter, '\t');
    assert.equal(tabs.columns[0].sum, 3.5);
  });

  it('reads Latin-1 where a file is not UTF-8, and says so', async () => {
    const answer = await profile(Buffer.from('stadt,n\nM\u00fcnchen,1\n', 'latin1'), { group_by: 'stadt', value: 'n' });
    assert.deepEqual([results(answer), answer.encoding], [[['München', 1]], 'latin1']);
  });

  it('counts missing values and leaves them out of every figure', async () => {
    const content = 'g,n\na,1\na,\na,NA\nb,n/a\n,5\nb,null\n';
    const { columns } = await profile(content);
    assert.deepEqual(columns[1], {
      name: 'n',
      type: 'number',
      non_empty: 2,
      missing: 4,
      distinct: 2,
      min: 1,
      max: 5,
      mean: 3,
      sum: 6,
      std: 2.828427,
    });
    const grouped = await profile(content, { group_by: 'g', value: 'n', aggregate: 'mean' });
    assert.deepEqual(grouped.groups, [
      { group: 'a', rows: 3, result: 1 },
      { group: 'b', rows: 2, result: null },
    ]);
    assert.equal(grouped.rows_without_group, 1);
    assert.deepEqual([grouped.highest.group, grouped.lowest.group], ['a', 'a']);
    assert.deepEqual(results(await profile(content, { group_by: 'g', value: 'n', aggregate: 'count' })), [
      ['a', 1],
      ['b', 0],
    ]);
  });

  it('reports ragged rows and reads them as far as they go', async () => {
    const answer = await profile('a,b,c\n1,2,3\n4,5\n6,7,8,9\n');
    assert.deepEqual(answer.ragged_rows, {
      count: 2,
      first: [
        { row: 2, fields: 2 },
        { row: 3, fields: 4 },
      ],
    });
    assert.deepEqual(
      answer.columns.map((column: { sum: number }) => column.sum),
      [11, 14, 11],
    );
    assert.equal(answer.columns[2].missing, 1);
  });

  it('says what is mixed: text with some numbers, values that are no numbers, booleans, empty columns', async () => {
    const answer = await profile('m,b,e\n1,true,\n2012-01-01,FALSE,\nx,yes,\n');
    assert.deepEqual(
      answer.columns.map(({ type }: { type: string }) => type),
      ['text', 'boolean', 'empty'],
    );
    assert.deepEqual([answer.columns[0].numbers, answer.columns[0].dates], [1, 1]);
    const sum = await profile('g,n\na,1\na,two\n', { group_by: 'g', value: 'n' });
    assert.deepEqual([results(sum), sum.values_not_numbers], [[['a', 1]], 1]);
  });

  it('names columns that have no name or the same name', async () => {
    const answer = await profile('a,,a\n1,2,3\n');
    assert.deepEqual(
      answer.columns.map(({ name, sum }: { name: string; sum: number }) => [name, sum]),
      [
        ['a', 1],
        ['column_2', 2],
        ['a_2', 3],
      ],
    );
  });

  it('reads dates of many forms, and tells which of 3/4 is the month from the other rows', async () => {
    const months = async (...dates: string[]) => {
      const answer = await profile(`d\n${dates.map((date) => `"${date}"`).join('\n')}\n`, {
        group_by: 'year_month(d)',
      });
      return [
        results(answer)
          .map(([group]) => group)
          .join(' '),
        answer.date_order,
        answer.rows_without_group,
      ];
    };
    assert.deepEqual(await months('2012/1/31', '2012-02-29T10:00:00Z', '2012-03-01 10:00'), [
      '2012-01 2012-02 2012-03',
      undefined,
      undefined,
    ]);
    assert.deepEqual(await months('3/4/2012', '3/25/2012'), ['2012-03', 'month-first', undefined]);
    assert.deepEqual(await months('3/4/2012', '25/4/2012'), ['2012-04', 'day-first', undefined]);
    assert.deepEqual(await months('03.04.2012', 'Jan 5, 2013', '6 March 2013'), [
      '2012-04 2013-01 2013-03',
      undefined,
      undefined,
    ]);
    assert.deepEqual(await months('2013-02-29', '2012-13-01', '2012-01-01'), ['2012-01', undefined, 2]);
  });

  it('prints no noise of binary fractions', async () => {
    const { columns } = await profile('x\n0.1\n0.2\n0.0000001234567\n');
    assert.equal(columns[0].sum, 0.3);
    const tenths = await profile(`g,x\n${'a,0.1\n'.repeat(10_000)}`, { group_by: 'g', value: 'x' });
    assert.deepEqual(results(tenths), [['a', 1000]]);
    assert.deepEqual([1 / 3, 1234567.1234567, 1.23456789e-7, -0, 2 ** 70, Number.NaN].map(rounded), [
      0.333333,
      1234567.123457,
      1.23457e-7,
      0,
      2 ** 70,
      null,
    ]);
  });

  it('takes 200,000 rows, and all rows as one group', async function () {
    this.timeout(90_000);
    const lines = Array.from({ length: 200_000 }, (_, row) => `${row % 7},${row}`);
    const answer = await profile(`k,v\n${lines.join('\n')}\n`, { value: 'v' });
    assert.deepEqual(answer.groups, [{ group: 'all rows', rows: 200_000, result: (199_999 * 200_000) / 2 }]);
    const perKey = await profile(`k,v\n${lines.join('\n')}\n`, { group_by: 'k', value: 'v', aggregate: 'min' });
    assert.deepEqual(
      results(perKey),
      [0, 1, 2, 3, 4, 5, 6].map((key) => [String(key), key]),
    );
  });

  it('sorts groups that are numbers by value', async () => {
    assert.deepEqual(results(await profile('k\n10\n9\n-1\n9\n', { group_by: 'k' })), [
      ['-1', 1],
      ['9', 2],
      ['10', 1],
    ]);
  });

  it('refuses an empty file, a binary one, and a quote that is never closed', async () => {
    assert.match(await refusedFor(''), /^"t.csv" has no header line/);
    assert.match(await refusedFor(Buffer.from('a,b\0c\n')), /^"t.csv" is binary/);
    assert.match(
      await refusedFor('a,b\n"open,2\n3,4\n'),
      /^"t.csv" cannot be read as a table near line \d+: .*A quote may be unclosed/,
    );
    assert.equal((await profile('a,b\n')).rows, 0);
  });
});
