/** Renders a Vega-Lite or Vega specification as SVG in this process, without a browser or network. */
import type { Loader, LoggerInterface, Spec } from 'vega';
import type { TopLevelSpec } from 'vega-lite';
import { beginningOf } from '../../contracts/text-cut.ts';

/** @throws Error with what is wrong in the specification. It can load nothing and link to nothing. */
export async function renderSvg(spec: TopLevelSpec | Spec): Promise<string> {
  // Loading takes a quarter of a second and 25 MB, which a query should not pay.
  const [vega, { compile }, { expressionInterpreter }] = await Promise.all([
    import('vega'),
    import('vega-lite'),
    import('vega-interpreter'),
  ]);
  setTextWidths(vega);
  const problems: string[] = [];
  const logger = collectProblems(problems);
  // The schema names the language. Vega-Lite is the default.
  const isVega = /\/vega\/v\d/.test(spec.$schema ?? '');
  const compiled = isVega ? (spec as Spec) : compile(spec as TopLevelSpec, { logger }).spec;
  // The interpreter runs expressions without `Function`.
  const runtime = vega.parse(compiled, undefined, { ast: true });
  const view = new vega.View(runtime, {
    renderer: 'none',
    logLevel: vega.Error,
    logger,
    loader: closedLoader(problems),
    expr: expressionInterpreter,
  });
  try {
    const svg = await view.toSVG();
    if (problems.length > 0) throw new Error([...new Set(problems)].join(' '));
    return `${svg}\n`;
  } finally {
    view.finalize();
  }
}

/** Vega goes on after an error. Here it is one. */
function collectProblems(problems: string[]): LoggerInterface {
  const logger: LoggerInterface = {
    level: () => logger,
    error: (...parts) => {
      problems.push(parts.map((part) => (part instanceof Error ? part.message : String(part))).join(' '));
      return logger;
    },
    warn: () => logger,
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}

function closedLoader(problems: string[]): Loader {
  const note = (uri: string): void =>
    void problems.push(`A chart cannot load or link to ${JSON.stringify(beginningOf(uri, 200))}.`);
  const refuse = (uri: string): Promise<never> => {
    note(uri);
    return Promise.reject(new Error('Charts load nothing.'));
  };
  // Vega fails on a rejected promise here.
  const sanitize = (uri: string): Promise<{ href: string }> => {
    note(uri);
    return Promise.resolve({ href: '' });
  };
  // Vega's type asks for overloads and options that nothing here calls.
  return { load: refuse, http: refuse, file: refuse, sanitize, options: {} } as unknown as Loader;
}

/** What Vega passes to measure a text: its font and the width at which it is cut. */
interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
  readonly limit?: number;
}

/**
 * Vega measures text with the module `canvas` if it is installed. Otherwise it assumes 0.8 em a character, which cuts
 * labels too early. This estimate is closer, and the same on every machine.
 */
function setTextWidths(vega: object): void {
  // `textMetrics` is missing in Vega's types; its code allows users to replace it.
  const { textMetrics } = vega as { textMetrics: { width: (item: TextItem, text: string | number | null) => number } };
  textMetrics.width = (item, text) => {
    const width = textWidth(String(text ?? ''), item.fontSize ?? 11) * (item.fontWeight === 'bold' ? 1.08 : 1);
    return item.limit !== undefined && item.limit > 0 ? Math.min(width, item.limit) : width;
  };
}

/** Width in pixels of a text in a common sans-serif font. */
function textWidth(text: string, fontSize: number): number {
  let ems = 0;
  for (const character of text) {
    if (/[ijl.,:;'|!()[\]/ftr-]/.test(character)) ems += 0.33;
    else if (/[mwMW@%]/.test(character)) ems += 0.87;
    else if (/[A-Z]/.test(character)) ems += 0.7;
    // Chinese, Japanese, Korean, emoji.
    else ems += character >= '\u2e80' ? 1 : 0.56;
  }
  return ems * fontSize;
}
