/** The dashboard asks for metrics that there are. What worker and gateway serve is compared with the list elsewhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { packageDir } from '../../src/package-info.ts';

const Dashboard = z.object({
  title: z.string().min(1),
  uid: z.string().min(1),
  schemaVersion: z.int(),
  panels: z.array(
    z.object({ id: z.int(), title: z.string(), targets: z.array(z.object({ expr: z.string(), refId: z.string() })) }),
  ),
});

const read = (path: string): string => readFileSync(join(packageDir, path), 'utf8');

describe('deploy/grafana-dashboard.json', () => {
  const { panels } = Dashboard.parse(JSON.parse(read('deploy/grafana-dashboard.json')));
  const rows = [...read('docs/operations.md').matchAll(/^\| `(\w+)` \| [a-z, ]+ \| (counter|gauge|histogram) \|/gm)];
  const listed = rows.flatMap(([, name = '', type]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
  );

  it('asks for metrics of the list in docs/operations.md only', () => {
    const asked = panels.flatMap(({ targets }) =>
      targets.flatMap(({ expr }) => expr.match(/\b(copilot|process)_\w+/g) ?? []),
    );
    assert.ok(asked.length >= panels.length);
    assert.deepEqual(
      asked.filter((name) => !listed.includes(name)),
      [],
    );
  });

  it('has expressions whose brackets match, and panels that do not share an id', () => {
    for (const { expr } of panels.flatMap(({ targets }) => targets)) {
      for (const [open, close] of ['()', '{}', '[]'].map((pair) => [pair.charAt(0), pair.charAt(1)] as const)) {
        assert.equal(expr.split(open).length, expr.split(close).length, expr);
      }
    }
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  });
});
