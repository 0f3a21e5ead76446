import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { haltBusy } from '../../helpers/cpu-time.ts';
import type { ToolWorld } from '../tools/tool-world.ts';
import { createToolWorld } from '../tools/tool-world.ts';
import { itInFull, someOf } from '../../helpers/full.ts';

interface Profile {
  readonly rows: number;
  readonly columns: readonly Readonly<Record<string, unknown>>[];
  readonly notes?: readonly string[];
  readonly [fact: string]: unknown;
}

describe('tables', function () {
  this.timeout(90_000);
  let world: ToolWorld;
  before(async () => {
    world = await createToolWorld();
  });
  after(() => world.remove());

  const write = (content: string | Buffer): Promise<void> => writeFile(join(world.workspace, 't.csv'), content);
  /** The rows of a query over a table with this content, as JSON text, since numbers may be too long for a double. */
  const rowsOf = async (content: string | Buffer, select: string, options: object = {}): Promise<string> => {
    await write(content);
    const { text } = await world.call('table_query', {
      sql: `SELECT ${select.replace('FROM t', "FROM 't.csv'")}`,
      ...options,
    });
    return /"rows":(\[.*?\])(?:,"|\}$)/s.exec(text)?.[1] ?? text;
  };
  const profileOf = async (content: string | Buffer): Promise<Profile> => {
    await write(content);
    // Asserted on by each test.
    return JSON.parse((await world.call('table_profile', { path: 't.csv' })).text) as Profile;
  };
  const column = ({ columns }: Profile, name: string): Readonly<Record<string, unknown>> =>
    columns.find((one) => one['name'] === name) ?? {};
  const total = (name: string): string => `sum("${name}") FROM t`;

  describe('number formats [D02]', () => {
    /** Content, question, and the rows as JSON. */
    const cases: readonly (readonly [title: string, content: string, select: string, rows: string])[] = [
      [
        'points are thousands beside a column with decimal commas',
        'Region;Umsatz;Preis\nNord;1.234;12,50\nNord;2.500;7,25\nSüd;1.000;9,75',
        'Region, sum(Umsatz) FROM t GROUP BY 1 ORDER BY 1',
        '[["Nord",3734],["Süd",1000]]',
      ],
      [
        'decimal commas',
        'Region;Umsatz;Preis\nNord;1.234;12,50\nNord;2.500;7,25\nSüd;1.000;9,75',
        'round(avg(Preis), 2) FROM t',
        '[[9.83]]',
      ],
      [
        'whole numbers beside numbers with thousands signs',
        'Artikel;Preis;Menge\nA;12,50;1.000\nB;7,25;250\nC;9,75;12',
        total('Menge'),
        '[[1262]]',
      ],
      ['words with points are no evidence', 'host;ms\nv1.2;12,5\nv1.3;7,25', 'avg(ms) FROM t', '[[9.875]]'],
      [
        'the evidence is in the last rows',
        `sensor;value\n${Array.from({ length: 60 }, (_, index) => `a;${index + 1}\n`).join('')}a;12,125\na;13,250\nb;0,5\n`,
        'sensor, max(value) FROM t GROUP BY 1 ORDER BY 1',
        '[["a",60],["b",0.5]]',
      ],
      ['both signs in quotes', 'item,price,qty\nA,"1.234,50","2"\nB,"12,50","3"', total('price'), '[[1247]]'],
      ['apostrophes', "name;amount\nA;1'234.50\nB;12.00\n", total('amount'), '[[1246.5]]'],
      ['spaces', 'nom;prix\nA;1 234,50\nB;12,00\n', total('prix'), '[[1246.5]]'],
      ['groups of two', 'n,v\nA,"12,34,567.50"\nB,3\n', total('v'), '[[1234570.5]]'],
      ['brackets and other minus signs', 'v\n(12.5)\n−2\n3-\n-1\n', total('v'), '[[-18.5]]'],
      ['a unit on each number', 'v\n12,50 €\n€ 1.000,00\n', total('v'), '[[1012.5]]'],
      ['exponents', 'v\n1.5e3\n2\n', total('v'), '[[1502]]'],
      [
        'other currencies, and a dash in place of cents',
        'p;q;r;s\n1 234,50 kr;R$ 10,00;3,-;US$1\n2,00 kr;R$ 1,50;1.004,50;US$-2\n',
        'sum(p), sum(q), sum(r), sum(s) FROM t',
        '[[1236.5,11.5,1007.5,-1]]',
      ],
      [
        '64-bit integers',
        'id,n\n1234567890123456789,1\n1234567890123456790,2\n1234567890123456791,3',
        'min(id), max(id), sum(id) FROM t',
        '[[1234567890123456789,1234567890123456791,3703703670370370370]]',
      ],
      [
        'integers of 20 digits, whose mean has no digits but those that are known',
        'id\n12345678901234567890\n99999999999999999999',
        'avg(id), sum(id) FROM t',
        '[[5.61728394506173e+19,112345678901234567889]]',
      ],
      ['exact decimals', 'v\n0.1\n0.2\n0.3\n1234567890123456.7\n', total('v'), '[[1234567890123457.3]]'],
      ['missing marks in a column of numbers', 'v\n1\nn/a\n-\nNULL\n4\n', 'count(v), sum(v) FROM t', '[[2,5]]'],
      ['the same marks in a column of words', 'code,n\nNA,5\nDE,3', 'code, n FROM t ORDER BY n', '[["DE",3],["NA",5]]'],
    ];
    for (const [title, content, select, rows] of someOf(cases, 3))
      it(`reads ${title}`, async () => assert.equal(await rowsOf(content, select), rows));

    it('says what the file does not tell, and takes the choice', async () => {
      const content = 'item;price\nA;1,234\nB;12,500\nC;999';
      const profile = await profileOf(content);
      assert.equal(column(profile, 'price')['type'], 'undecided');
      assert.match(
        profile.notes?.join() ?? '',
        /does not tell whether "," separates thousands or decimals.*Give decimal/,
      );
      assert.match(
        await world.refused('table_query', { sql: "SELECT sum(price) FROM 't.csv'" }),
        /Give decimal "\." or ","/,
      );
      assert.equal(await rowsOf(content, total('price'), { decimal: '.' }), '[[14733]]');
      assert.equal(await rowsOf(content, total('price'), { decimal: ',' }), '[[1012.734]]');
    });

    itInFull('says which texts keep a column from being one of numbers', async () => {
      await write('a\n1\n2\nabout 3\n');
      assert.match(
        await world.refused('table_query', { sql: "SELECT sum(a) FROM 't.csv'" }),
        /Column "a" has texts such as "about 3" among its numbers.*TRY_CAST/,
      );
    });

    itInFull('keeps as text what is no number, and says why', async () => {
      const codes = await profileOf('plz;n\n01067;1\n1067;2');
      assert.deepEqual([column(codes, 'plz')['type'], column(codes, 'plz')['distinct']], ['text', 2]);
      assert.match(codes.notes?.join() ?? '', /"plz" has numbers with leading zeros/);
      const mixed = await profileOf('v;w\n1,5;12 €\n1.55;13 $\n');
      assert.deepEqual([column(mixed, 'v')['type'], column(mixed, 'w')['type']], ['text', 'text']);
      assert.match(mixed.notes?.join() ?? '', /decimal points and numbers with decimal commas.*different units/);
      const versions = await profileOf('version;phone\n1.2.3;+49 170 123\n1.10.0;+49 171 456\n');
      assert.deepEqual(
        versions.columns.map(({ type }) => type),
        ['text', 'text'],
      );
    });
  });

  describe('dates [D02]', () => {
    itInFull('reads clocks of twelve hours, and finds the month by the days', async () => {
      const content = 'when,v\n1/5/2024 3:04 PM,1\n1/15/2024 11:30 AM,2\n2/1/2024 12:00 AM,4';
      assert.equal(await rowsOf(content, 'month("when"), sum(v) FROM t GROUP BY 1 ORDER BY 1'), '[[1,3],[2,4]]');
    });

    it('reads names of months, points, times and zones', async () => {
      const shown = 'd::VARCHAR FROM t ORDER BY 1';
      assert.equal(await rowsOf('d;v\n5 Jan 2024;1\nMarch 3, 2024;2\n', shown), '[["2024-01-05"],["2024-03-03"]]');
      assert.equal(await rowsOf('d;v\n1.2.2024;1\n13.2.2024;2\n', shown), '[["2024-02-01"],["2024-02-13"]]');
      assert.equal(
        await rowsOf('d\n2024-01-02T10:11:12+02:00\n2024-01-02 10:11:12.5\n', shown),
        '[["2024-01-02 10:11:12"],["2024-01-02 10:11:12.5"]]',
      );
      assert.equal(await rowsOf('d\n2024-01\n2024-03\n', shown), '[["2024-01-01"],["2024-03-01"]]');
      assert.equal(
        await rowsOf('d;e;f\nFr, 05. Okt. 2024;5 août 2024;6 de dic. de 2024\n', 'month(d), month(e), month(f) FROM t'),
        '[[10,8,12]]',
      );
    });

    itInFull('lets one column tell the order of another, and says what none tells', async () => {
      assert.equal(
        await rowsOf('a;b\n13/2/2024;1/3/2024\n1/2/2024;2/3/2024\n', 'max(b)::VARCHAR FROM t'),
        '[["2024-03-02"]]',
      );
      const content = 'd,e\n1/2/2024,x\n3/4/2024,y\n';
      const profile = await profileOf(content);
      assert.equal(column(profile, 'd')['type'], 'undecided');
      assert.match(profile.notes?.join() ?? '', /Give dates "day-first" or "month-first"/);
      assert.equal(await rowsOf(content, 'month(d) FROM t', { dates: 'day-first' }), '[[2],[4]]');
    });
  });

  describe('files [D03]', () => {
    itInFull('reads any line end, mixed ones too', async () => {
      assert.equal(await rowsOf('a,b\r\n1,2\r3,4\n5,6', 'count(*), sum(b) FROM t'), '[[3,12]]');
      assert.equal(await rowsOf('a,b\r1,2\r3,4\r', 'count(*), sum(b) FROM t'), '[[2,6]]');
    });

    itInFull('reads the encoding from all of the file', async () => {
      const late = Buffer.concat([
        Buffer.from(`city,n\n${'Berlin,1\n'.repeat(8_000)}`),
        Buffer.from('Köln,2\n', 'latin1'),
      ]);
      assert.equal(await rowsOf(late, 'city, sum(n) FROM t GROUP BY 1 ORDER BY 1'), '[["Berlin",8000],["Köln",2]]');
      assert.equal(await rowsOf(Buffer.from('\uFEFFa;b\r\nKöln;1,5\r\n', 'utf16le'), '* FROM t'), '[["Köln",1.5]]');
      const mixed = await profileOf(
        Buffer.concat([Buffer.from('a,b\nKöln,1\n'), Buffer.from('München,2\n', 'latin1')]),
      );
      assert.deepEqual(mixed.notes, ['Most of the file is UTF-8. Lines that are not were read as windows-1252: 3.']);
    });

    it('reads sep=, a byte order mark, and a title above the table', async () => {
      const separated = await profileOf('\uFEFFsep=;\nName;Wert\nA;1\nB;2');
      assert.deepEqual(
        separated.columns.map(({ name }) => name),
        ['Name', 'Wert'],
      );
      assert.equal(column(separated, 'Wert')['sum'], 3);
      const titled = await profileOf('Report 2024;;\n\nName;Wert;X\nA;1;2\nB;3;4\n');
      assert.deepEqual([titled.rows, column(titled, 'Wert')['sum']], [2, 4]);
      assert.deepEqual(titled.notes, ['The table begins after a title line.']);
    });

    itInFull(
      'reads headers of two lines, ends of lines that make a column, and names with marks that nobody sees',
      async () => {
        const { rows, columns } = await profileOf('"a\nb",\u200bc,\n1,2,\n3,4,\n');
        assert.deepEqual(
          [rows, columns.map(({ name, sum }) => [name, sum])],
          [
            2,
            [
              ['a b', 4],
              ['c', 6],
            ],
          ],
        );
      },
    );

    itInFull('reads tables of Markdown, and those with remarks above', async () => {
      const sums = 'sum(a), sum(b), count(*) FROM t';
      assert.equal(await rowsOf('| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |\n', sums), '[[4,6,2]]');
      assert.equal(await rowsOf('# of 2024\n# by Ada\na~b\n1~2\n', sums), '[[1,2,1]]');
      assert.equal(await rowsOf('a,b\n1\n1,2,3\n4,5\n', sums), '[[6,7,3]]');
    });

    itInFull('reads JSON by its content, also with a byte order mark', async () => {
      assert.equal(await rowsOf('\uFEFF[{"a":1},{"a":2}]', total('a')), '[[3]]');
      assert.equal(await rowsOf(Buffer.from('\uFEFF[{"a":1}]', 'utf16le'), total('a')), '[[1]]');
    });

    it('names ragged rows by their line, and refuses broken quotes with theirs', async () => {
      const ragged = await profileOf('a,b\n1,2\n3,4,5\n6\n7,8\n');
      assert.deepEqual(ragged['ragged_rows'], {
        count: 2,
        first: [
          { row: 2, line: 3, cells: 'more' },
          { row: 3, line: 4, cells: 'fewer' },
        ],
      });
      await write('a,b\n1,"2\n3,4\n');
      assert.match(
        await world.refused('table_profile', { path: 't.csv' }),
        /line 2 opens a quote that is never closed/,
      );
      await write('a,b\n1,2\n1,"a"b\n');
      assert.match(await world.refused('table_profile', { path: 't.csv' }), /line 3 has text after a closing quote/);
      assert.equal(
        await rowsOf('a,b\n1,"x\n""y"", z"\n2,3" pipe\n', '* FROM t'),
        String.raw`[[1,"x\n\"y\", z"],[2,"3\" pipe"]]`,
      );
    });

    itInFull('counts all values, however many there are', async () => {
      const words = Array.from({ length: 50_001 }, (_, index) => `w${index}\n`).join('');
      const { columns } = await profileOf(`w\n${words}${'zebra\n'.repeat(60_000)}`);
      assert.deepEqual(
        [columns[0]?.['distinct'], (columns[0]?.['most_common'] as unknown[] | undefined)?.[0]],
        [50_002, { value: 'zebra', count: 60_000 }],
      );
    });

    it('refuses what is no table, and says what to do', async () => {
      const refusals: readonly (readonly [string | Buffer, RegExp])[] = [
        ['', /is empty/],
        [Buffer.from([1, 2, 0, 0, 0, 5]), /is binary/],
        [Buffer.from('PK\u0003\u0004workbook'), /Export it as CSV/],
        [Buffer.from([0x1f, 0x8b, 8, 0]), /is compressed/],
        ['\n<!DOCTYPE html><html>Sign in</html>', /page of HTML/],
        ['%PDF-1.4\nx', /is a document/],
      ];
      for (const [content, problem] of someOf(refusals, 3)) {
        await write(content);
        assert.match(await world.refused('table_profile', { path: 't.csv' }), problem);
      }
    });
  });

  it('[D04] finds columns and files by either Unicode form of their name', async () => {
    const [composed, decomposed] = ['Köln', 'Ko\u0308ln'];
    await writeFile(join(world.workspace, `${decomposed}.csv`), `${decomposed},n\n1,2\n`);
    const asked = await world.call('table_query', { sql: `SELECT sum("${composed}") FROM '${composed}.csv'` });
    assert.match(asked.text, /"rows":\[\[1\]\]/);
    assert.equal(await rowsOf(`${composed},n\n1,2\n`, `sum("${decomposed}") FROM t`), '[[1]]');
    assert.match((await world.call('read_file', { path: `${composed}.csv` })).text, /1,2/);
  });

  it('[D01] queries CSV, JSON and Parquet together, by path or by name', async () => {
    await mkdir(join(world.workspace, 'data'), { recursive: true });
    await writeFile(
      join(world.workspace, 'data/people.json'),
      '[{"id":1,"name":"Ada"},{"id":9007199254740993,"name":"Bob"}]',
    );
    await writeFile(join(world.workspace, 'orders.tsv'), 'id\tamount\n1\t5.25\n9007199254740993\t1.10\n');
    const sql = `SELECT p.id, name, sum(amount) FROM 'data/people.json' AS p JOIN "orders.tsv" AS o ON o.id = p.id GROUP BY ALL ORDER BY 1`;
    assert.match(
      (await world.call('table_query', { sql })).text,
      /"rows":\[\[1,"Ada",5.25\],\[9007199254740993,"Bob",1.1\]\]/,
    );
    assert.match(
      (await world.call('table_query', { sql: "SELECT count(*) FROM orders WHERE 'orders.tsv' <> ''" })).text,
      /\[\[2\]\]/,
    );
  });

  itInFull('[D01] lets a short name stand for no file if two files have it', async () => {
    await mkdir(join(world.workspace, 'old'), { recursive: true });
    await writeFile(join(world.workspace, 'sales.csv'), 'n\n1\n');
    await writeFile(join(world.workspace, 'old/sales.csv'), 'n\n2\n');
    const both = "'sales.csv' AS new, 'old/sales.csv' AS old";
    assert.match((await world.call('table_query', { sql: `SELECT new.n, old.n FROM ${both}` })).text, /\[\[1,2\]\]/);
    const short = await world.refused('table_query', { sql: `SELECT * FROM sales, ${both}` });
    assert.match(short, /Table with name sales does not exist/);
  });

  it('[D01] refuses whatever is not one SELECT over files of the workspace', async () => {
    await write('a,b\n1,2\n');
    const refusals: readonly (readonly [string, RegExp])[] = [
      ["SELECT 1 FROM 't.csv'; SELECT 2", /has 2 statements/],
      ["COPY (SELECT * FROM 't.csv') TO 'out.csv'", /Only the files named in FROM/],
      ["CREATE TABLE x AS SELECT * FROM 't.csv'", /not a SELECT/],
      ["ATTACH 't.csv' AS x", /not a SELECT/],
      ["SELECT * FROM 't.csv', read_text('/etc/passwd')", /Only the files named in FROM can be read/],
      ["SELECT * FROM 't.csv', glob('/etc/*')", /Only the files named in FROM can be read/],
      ["SELECT * FROM '/etc/passwd.csv'", /leads out of the workspace/],
      ["SELECT * FROM '../t.csv'", /leads out of the workspace/],
      ["SELECT * FROM 'none.csv'", /does not exist/],
      ['SELECT 1', /names no file/],
      ["SELECT c FROM 't.csv'", /Referenced column "c" not found.*The columns are: a, b/s],
    ];
    for (const [sql, problem] of refusals) assert.match(await world.refused('table_query', { sql }), problem, sql);
  });

  it('[D01] ends a query that has no end', async () => {
    await write('a\n1\n');
    const sql = "SELECT count(*) FROM range(1000000) x, range(1000000) y, range(1000000) z, 't.csv'";
    assert.match(await haltBusy(() => world.refused('table_query', { sql })), /needs more than 30 s/);
  });
});
