/** Renders a Vega specification as SVG in this process, without a browser or network. */
import type { Spec } from 'vega';

export async function renderSvg(spec: Spec): Promise<string> {
  // Loading takes a quarter of a second and 15 MB, which a worker without charts should not pay.
  const vega = await import('vega');
  setTextWidths(vega);
  const view = new vega.View(vega.parse(spec), { renderer: 'none', logLevel: vega.Error });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
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
