/** What docs/teams.md says of keys, tools and errors is what there is. */
import assert from 'node:assert/strict';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { loadTeam } from '../../src/agents/files/load-team.ts';
import { packageDir } from '../../src/package-info.ts';
import { CopilotError } from '../../src/contracts/errors.ts';
import { AgentFile, TeamFile } from '../../src/contracts/team.ts';
import { builtInTools as tools } from '../../src/tools/registry.ts';
import { temporaryFolder } from '../helpers/server.ts';

interface KeyFacts {
  readonly key: string;
  readonly isRequired: boolean;
  readonly default: unknown;
  /** Texts that the column of values must have: bounds and members. */
  readonly bounds: readonly string[];
}

describe('docs/teams.md', () => {
  const text = readFileSync(join(packageDir, 'docs/teams.md'), 'utf8');

  it('names every key of a team file and an agent file, and no other', () => {
    const documented = documentedKeys(text).map(({ key }) => key);
    const actual = [...keysOf(TeamFile), ...keysOf(AgentFile)].map(({ key }) => key);
    assert.ok(actual.length > 40);
    assert.deepEqual(documented.toSorted(), actual.toSorted());
  });

  it('says which keys are required, and the defaults, ranges and members of the others as the schemas have them', () => {
    const documented = documentedKeys(text);
    const actual = [...keysOf(TeamFile), ...keysOf(AgentFile)];
    for (const { key, isRequired, default: value, bounds } of actual) {
      const candidates = documented.filter((row) => row.key === key);
      const fits = candidates.some(
        (row) =>
          (!isRequired || row.default === 'required') &&
          (isRequired || row.default !== 'required') &&
          (!isPlain(value) || row.default === String(value === '' ? '""' : value)) &&
          bounds.every((bound) => row.values.includes(bound)),
      );
      assert.ok(
        fits,
        `${key}: required ${isRequired}, default ${String(value)}, ${bounds.join(' ')}; ${JSON.stringify(candidates)}`,
      );
    }
  });

  it('lists every tool with its category, its effects and its longest run', () => {
    const rows = [...text.matchAll(/^\| `([a-z_]+)` \| ([a-z]+) \| (none|external) \| (\d+) s \| .+ \|$/gm)];
    assert.deepEqual(
      rows
        .map(([, name, category, effects, seconds]) => ({
          name,
          category,
          effects,
          timeoutMs: Number(seconds) * 1_000,
        }))
        .toSorted(byName),
      [...tools.values()]
        .map(({ name, category, effects, timeoutMs }) => ({ name, category, effects, timeoutMs }))
        .toSorted(byName),
    );
  });

  it('shows the error of its example as a copy of the team gives it', async () => {
    const folder = await temporaryFolder();
    try {
      await cp(join(packageDir, 'agents/data-analysis'), join(folder, 'sales'), { recursive: true });
      await loadTeam(folder, 'sales', tools);
      const file = join(folder, 'sales/team.yaml');
      await writeFile(file, (await readFile(file, 'utf8')).replace('  reviews: 1', '  review: 1'));
      const error = await loadTeam(folder, 'sales', tools).then(
        () => assert.fail('the mistake was not found'),
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof CopilotError);
      assert.ok(text.includes(` ${error.message}\n`), error.message);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** Rows of the tables whose columns are key, meaning, values and default. */
function documentedKeys(text: string): { key: string; values: string; default: string }[] {
  const tables = [...text.matchAll(/^\| key \| meaning \| values, unit \| default \|\n\|[ -|]+\|\n((?:\|.*\|\n)+)/gm)];
  return tables.flatMap(([, rows = '']) =>
    rows
      .trim()
      .split('\n')
      .map((row) => {
        const [, key = '', , values = '', value = ''] =
          row.split(' | ').length === 4 ? ['', ...row.slice(2, -2).split(' | ')] : [];
        return { key: key.replaceAll('`', ''), values, default: value };
      }),
  );
}

/** JSON schema, as far as these files use it. */
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
  readonly propertyNames?: { readonly enum?: readonly string[] };
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
}

/** What stands for the names of records, by where they are. */
const PLACES: Readonly<Record<string, string>> = { tools: '<category>', prices: '<model>' };

function keysOf(schema: z.ZodType): KeyFacts[] {
  // Zod's own type has more forms than these files use.
  return walk(z.toJSONSchema(schema, { io: 'input' }) as Schema, '');
}

function walk(schema: Schema, at: string): KeyFacts[] {
  const { properties, required = [], anyOf, additionalProperties } = schema;
  const name = at.split('.').at(-1) ?? '';
  // Told where they stand by themselves.
  if (/^modes\.<name>\.(?:approvals|budget)$/.test(at)) return [];
  if (anyOf) {
    const forms = anyOf.flatMap((form) => walk(form, at));
    // What only some of the forms require is not required as such, but the document says that one of them is.
    return [...new Map(forms.map((facts) => [facts.key, { ...facts, isRequired: false }])).values()];
  }
  if (properties) {
    return Object.entries(properties).flatMap(([key, value]) => {
      const inner = walk(value, at === '' ? key : `${at}.${key}`);
      if (inner.length > 0) return inner;
      return [
        {
          key: at === '' ? key : `${at}.${key}`,
          isRequired: required.includes(key) && value.default === undefined,
          default: value.default,
          bounds: boundsOf(value),
        },
      ];
    });
  }
  // Maps of texts, and JSON of any form, are values.
  if (typeof additionalProperties !== 'object') return [];
  const place = `${at}.${PLACES[name] ?? '<name>'}`;
  const inner = walk(additionalProperties, place);
  if (inner.length > 0) return inner;
  return additionalProperties.enum
    ? [{ key: place, isRequired: false, default: undefined, bounds: boundsOf(additionalProperties) }]
    : [];
}

function boundsOf({ minimum, maximum, enum: members }: Schema): string[] {
  // Zod gives integers the bounds of exact numbers; 0 and 1 go without saying where there is no upper bound.
  const isBound = (value: number | undefined): value is number =>
    value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER;
  return [
    ...(isBound(minimum) && (minimum > 1 || isBound(maximum)) ? [String(minimum)] : []),
    ...(isBound(maximum) ? [String(maximum)] : []),
    ...(members ?? []).map(String),
  ];
}

function isPlain(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

function byName(left: { readonly name?: string | undefined }, right: { readonly name?: string | undefined }): number {
  return (left.name ?? '') < (right.name ?? '') ? -1 : 1;
}
