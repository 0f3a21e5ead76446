/** What benchmarks of this folder give: figures of the product beside those of the raw SDK, and what they should be. */
import { median } from './world.ts';

export interface Measured {
  readonly what: string;
  readonly product: number;
  /** Of the raw SDK in the same run. Absent where only the product has such a figure. */
  readonly raw?: number;
  /** Empty: a number of its own. */
  readonly unit: string;
  /** Bounds of `product / raw`, or of the product's figure itself. */
  readonly target: { readonly of: 'ratio' | 'product'; readonly atMost?: number; readonly atLeast?: number };
}

/** Medians of the same figure of both sides. */
export function medians<Figures>(
  rounds: readonly (readonly [own: Figures, raw: Figures])[],
  figure: (figures: Figures) => number,
): { readonly product: number; readonly raw: number } {
  return { product: median(rounds.map(([own]) => figure(own))), raw: median(rounds.map(([, raw]) => figure(raw))) };
}

/** One line for a terminal. */
export function lineOf(measured: Measured): string {
  const { what, product, raw, unit } = measured;
  const parts = [`product ${product.toFixed(1)} ${unit}`, ...(raw === undefined ? [] : [`raw ${raw.toFixed(1)}`])];
  const ratio = raw === undefined ? '' : `   ratio ${(product / raw).toFixed(2)}`;
  return `${what.padEnd(44)} ${parts.join('   ')}${ratio}   (target ${targetOf(measured)})`;
}

/** All of them as a table in Markdown. */
export function tableOf(rows: readonly Measured[]): string {
  const cells = rows.map((row) => [
    row.unit === '' ? row.what : `${row.what}, ${row.unit}`,
    row.product.toFixed(row.raw === undefined && row.unit === '' ? 2 : 1),
    row.raw?.toFixed(1) ?? '',
    row.raw === undefined ? '' : (row.product / row.raw).toFixed(2),
    targetOf(row),
    isMet(row) ? 'yes' : 'no',
  ]);
  const head = ['', 'product', 'raw SDK', 'ratio', 'target', 'met'];
  return [head, head.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function targetOf({ unit, target: { of, atMost, atLeast } }: Measured): string {
  const bound = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
  return of === 'ratio' || unit === '' ? bound : `${bound} ${unit}`;
}

function isMet({ product, raw = 1, target: { of, atMost = Infinity, atLeast = 0 } }: Measured): boolean {
  const value = of === 'ratio' ? product / raw : product;
  return value <= atMost && value >= atLeast;
}
