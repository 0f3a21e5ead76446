/** Reads what a chart shows out of its SVG file: marks and texts, as a reader's software would. */
import assert from 'node:assert/strict';

export interface Chart {
  readonly width: number;
  readonly height: number;
  /** Bars or points, as they are described to readers for the blind: `Jan: 8.2`, or `temp_max, Jan: 8.2`. */
  readonly bars: readonly string[];
  readonly points: readonly string[];
  /** Lines by the number of their points. */
  readonly lines: readonly number[];
  /** Fill colours of bars and points, each once. */
  readonly colours: readonly string[];
  readonly xLabels: readonly string[];
  readonly yLabels: readonly string[];
  readonly legend: readonly string[];
  /** Lines of titles: of the chart, its axes, its legend. */
  readonly titles: readonly string[];
}

/** @throws AssertionError where it is no well-formed SVG */
export function readChart(svg: string): Chart {
  checkForm(svg);
  const elements = [...svg.matchAll(/<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>([^<]*)/g)];
  const [root] = elements;
  assert.equal(root?.[2], 'svg');
  const path: string[] = [];
  const found: { readonly tag: string; readonly at: string; readonly attributes: Map<string, string>; text: string }[] =
    [];
  for (const [, closes, tag = '', attributes = '', closed, text = ''] of elements) {
    if (closes) {
      path.pop();
      continue;
    }
    const parsed = new Map(
      [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, unescape(value)]),
    );
    found.push({ tag, at: path.join(' '), attributes: parsed, text: unescape(text) });
    if (!closed) path.push(parsed.get('class') ?? '-');
  }
  const inside = (name: string) => found.filter(({ at }) => at.split(' ').includes(name));
  const described = (name: string) => inside(name).flatMap(({ attributes }) => attributes.get('aria-label') ?? []);
  const axis = (bottom: boolean): string[] => {
    const texts = inside('role-axis-label').filter(({ tag }) => tag === 'text');
    return texts
      .filter(({ attributes }) => (attributes.get('text-anchor') === 'end' && !turned(attributes)) !== bottom)
      .map(({ text }) => text);
  };
  return {
    width: Number(found[0]?.attributes.get('width')),
    height: Number(found[0]?.attributes.get('height')),
    bars: described('bars_marks'),
    points: described('points_marks'),
    lines: inside('lines_marks').flatMap(({ tag, attributes }) =>
      tag === 'path' ? [(attributes.get('d') ?? '').match(/[ML]/g)?.length ?? 0] : [],
    ),
    colours: [
      ...new Set(
        [...inside('bars_marks'), ...inside('points_marks')].flatMap(({ attributes }) => attributes.get('fill') ?? []),
      ),
    ],
    xLabels: axis(true),
    yLabels: axis(false),
    legend: inside('role-legend-label')
      .filter(({ tag }) => tag === 'text')
      .map(({ text }) => text),
    titles: found
      .filter(({ tag, at, text }) => /title/.test(at) && /text|tspan/.test(tag) && text !== '')
      .map(({ text }) => text),
  };
}

function turned(attributes: ReadonlyMap<string, string>): boolean {
  return attributes.get('transform')?.includes('rotate') ?? false;
}

/** Every element is closed by itself or by its own end, nothing is left over, and no character is forbidden. */
function checkForm(svg: string): void {
  assert.doesNotMatch(svg, /[^\P{Cc}\n\r\t]/u);
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, closes: string, tag: string, _attributes: string, closed: string) => {
      if (closes) assert.equal(open.pop(), tag);
      else if (!closed) open.push(tag);
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /<|&(?!(?:amp|lt|gt|quot);)/);
}

function unescape(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}
