import assert from 'node:assert/strict';
import { newest, type Place, type UpdatedIndex } from '../../../src/client/listing/newest-first.ts';
import { seededRandom } from '../../helpers/random.ts';

const NOW = Date.now();
const DAY_MS = 86_400_000;

/** An index like SQL visibility: rows come in the order of their start, which is that of their ids. */
function indexOf(rows: readonly Place[]): UpdatedIndex<Place> & { requests: number; fetched: number } {
  const within = (fromMs: number, toMs: number) =>
    rows.filter(({ updatedMs }) => updatedMs >= fromMs && updatedMs <= toMs);
  const index = {
    requests: 0,
    fetched: 0,
    select: async (some: readonly Place[]) => Promise.resolve([...some]),
    count: async (fromMs: number, toMs: number) => {
      index.requests += 1;
      return within(fromMs, toMs).length;
    },
    fetch: async (fromMs: number, toMs: number, max: number) => {
      index.requests += 1;
      const found = within(fromMs, toMs)
        .toSorted((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, max);
      index.fetched += found.length;
      return found;
    },
  };
  return index;
}

const id = (number: number): string => `s${String(number).padStart(6, '0')}`;

const sorted = (rows: readonly Place[]): Place[] =>
  rows.toSorted((a, b) => b.updatedMs - a.updatedMs || (a.id < b.id ? 1 : -1));

const SHAPES: Record<string, (random: () => number) => Place[]> = {
  'updated as they were created': () =>
    Array.from({ length: 10_000 }, (_, n) => ({ id: id(n), updatedMs: NOW - (10_000 - n) * 1_000 })),
  'updated in any order': (random) =>
    Array.from({ length: 10_000 }, (_, n) => ({ id: id(n), updatedMs: NOW - Math.floor(random() * 90 * DAY_MS) })),
  'all from one burst long ago': (random) =>
    Array.from({ length: 10_000 }, (_, n) => ({
      id: id(n),
      updatedMs: NOW - 300 * DAY_MS + Math.floor(random() * 5_000),
    })),
  'the oldest updated last': () =>
    Array.from({ length: 10_000 }, (_, n) => ({ id: id(n), updatedMs: NOW - n * 60_000 })),
  'many at the very same time': (random) =>
    Array.from({ length: 10_000 }, (_, n) => ({ id: id(n), updatedMs: NOW - Math.floor(random() * 4) * 1_000 })),
};

describe('the newest of 10,000 sessions', () => {
  for (const [shape, make] of Object.entries(SHAPES)) {
    const seed = 20_261_121;

    it(`are found in few requests and the right order: ${shape} (seed ${seed})`, async () => {
      const rows = make(seededRandom(seed));
      const index = indexOf(rows);
      assert.deepEqual(await newest(index, { count: 101 }), sorted(rows).slice(0, 101));
      assert.ok(index.requests <= 20, `${index.requests} requests`);
    });

    it(`are given page by page, each once: ${shape} (seed ${seed})`, async () => {
      const rows = make(seededRandom(seed)).slice(0, 2_000);
      const index = indexOf(rows);
      const seen: Place[] = [];
      for (let after: Place | undefined; ; after = seen.at(-1)) {
        const page = await newest(index, { count: 150, ...(after === undefined ? {} : { after }) });
        seen.push(...page);
        if (page.length < 150) break;
      }
      assert.deepEqual(seen, sorted(rows));
    });
  }

  it('need one request where there are few', async () => {
    const rows = Array.from({ length: 50 }, (_, n) => ({ id: id(n), updatedMs: NOW - n }));
    const index = indexOf(rows);
    assert.equal((await newest(index, { count: 101 })).length, 50);
    assert.equal(index.requests, 1);
  });

  it('are none where there are none', async () => {
    assert.deepEqual(await newest(indexOf([]), { count: 10 }), []);
  });
});
