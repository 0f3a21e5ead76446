/** What the program itself writes into the context, such as a large plan, is kept short there. */
import assert from 'node:assert/strict';
import type { Json } from '../../src/contracts/json.ts';
import { DurableContext } from '../../src/workflows/context/context.ts';

const NOW = '2025-03-01T12:00:00.000Z';

describe('what the program itself keeps in the context', () => {
  const bytes = (value: Json): number => Buffer.byteLength(JSON.stringify(value));
  const kept = (value: Json): Json => {
    const context = new DurableContext();
    context.set('it', value, NOW, { compact: true });
    return context.get('it') ?? null;
  };

  it('stays as it is up to 16 KiB, and is cut in its longest texts beyond', () => {
    const fits = 'x'.repeat(16 * 1_024 - 2);
    assert.equal(kept(fits), fits);
    assert.equal(kept(`${fits}x`), `${'x'.repeat(15_999)}…`);
    const plan = Array.from({ length: 8 }, (_, n) => ({ agent: 'engineer', task: `${n} `.repeat(2_500), at: n }));
    const whole = JSON.stringify(plan);
    const shorter = plan.map((step) => ({ ...step, task: `${step.task.slice(0, 1_999)}…` }));
    assert.ok(bytes(shorter) <= 16 * 1_024);
    assert.deepEqual(kept(plan), shorter);
    assert.equal(JSON.stringify(plan), whole, 'the value that was given');
    const list = Array.from({ length: 20 }, (_, n) => 'y'.repeat(n < 10 ? 5_000 : 500));
    assert.deepEqual(
      (kept(list) as string[]).map((text) => text.length),
      list.map(({ length }) => Math.min(length, 1_000)),
    );
  });

  it('is never larger, whatever it is, and cuts no character in two', () => {
    for (const start of ['', 'x']) {
      const short = JSON.stringify(kept(start + '😀'.repeat(10_000)));
      assert.match(short, /^"x?(😀)+…"$/u);
      assert.ok(short.length >= 8_000, `${short.length} units`);
    }
    for (const value of [
      Array.from({ length: 20_000 }, () => 1),
      Array.from({ length: 500 }, (_, n) => ({ agent: `agent ${n}`, task: '\u0000'.repeat(500) })),
      Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n}`.repeat(60), { n }])),
      '\ud800'.repeat(30_000),
      'a message of 256 KiB '.repeat(12_484).slice(0, 256 * 1_024),
    ]) {
      const size = bytes(kept(value));
      assert.ok(size <= 16 * 1_024 && size > 100, `${JSON.stringify(value).slice(0, 60)}: ${size} bytes`);
    }
  });
});
