/** Draws a terminal session as an SVG: every run of cells appears at the time at which the program wrote it. */
import xterm, { type IBufferCell } from '@xterm/headless';

// The package is CommonJS and names no exports.
const { Terminal } = xterm;

const COLUMN_PX = 8.4;
const LINE_PX = 18;
const MARGIN_PX = 16;
const FONT_PX = 14;
const BACKGROUND = '#16181d';
const FOREGROUND = '#d6dae2';
/** The eight colours of ANSI, as the palette numbers them. */
const PALETTE = ['#5c6370', '#f2777a', '#8ccf7e', '#e5c76b', '#67b0e8', '#c47fd5', '#6cbfbf', '#f0f0f0'];
/** Longer pauses are cut to this: nobody watches a program think. */
const LONGEST_PAUSE_MS = 900;
/** The picture plays so much faster than the session. */
const SPEED = 1.6;
/** Cells that were written within this time appear together. */
const FRAME_MS = 60;

interface Cell {
  readonly text: string;
  readonly style: string;
  readonly atMs: number;
}

/** A screen without scrolling that remembers when each of its cells was written. */
export class TerminalRecorder {
  readonly columns: number;
  readonly rows: number;
  readonly #terminal;
  readonly #cells: (Cell | undefined)[][];
  #clockMs = 0;
  #lastMs: number | undefined;

  /** @param rows more than the session writes: a line that scrolls away would be lost */
  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#terminal = new Terminal({ cols: columns, rows, allowProposedApi: true });
    this.#cells = Array.from({ length: rows }, () => []);
  }

  /** Takes what a program wrote at `nowMs`. */
  async write(text: string, nowMs: number): Promise<void> {
    this.#clockMs += Math.min(nowMs - (this.#lastMs ?? nowMs), LONGEST_PAUSE_MS) / SPEED;
    this.#lastMs = nowMs;
    await new Promise<void>((resolve) => this.#terminal.write(text, resolve));
    this.#look();
  }

  /** The line at the cursor, as far as the cursor. */
  get promptLine(): string {
    const { active } = this.#terminal.buffer;
    return active.getLine(active.cursorY)?.translateToString(false, 0, active.cursorX) ?? '';
  }

  /** Forgets what is on the screen; the clock starts again. */
  clear(): void {
    this.#terminal.reset();
    for (const row of this.#cells) row.length = 0;
    this.#clockMs = 0;
    this.#lastMs = undefined;
  }

  #look(): void {
    const { active } = this.#terminal.buffer;
    if (active.baseY > 0) throw new Error(`The session wrote more than ${this.rows} lines.`);
    for (const [y, row] of this.#cells.entries()) {
      const line = active.getLine(y);
      for (let x = 0; x < this.columns; x += 1) {
        const cell = line?.getCell(x);
        const text = cell?.getChars() ?? '';
        const style = cell === undefined || text === '' ? '' : styleOf(cell);
        const before = row[x];
        if (before?.text !== text || before.style !== style) row[x] = { text, style, atMs: this.#clockMs };
      }
    }
  }

  /** @param title for people who cannot see the picture */
  toSvg(title: string): string {
    const used =
      this.#cells.findLastIndex((row) => row.some((cell) => cell !== undefined && cell.text.trim() !== '')) + 1;
    const lines = this.#cells.slice(0, used).flatMap((row, y) => runsOf(row).map((run) => drawRun(run, y)));
    const width = Math.round(this.columns * COLUMN_PX + 2 * MARGIN_PX);
    const height = used * LINE_PX + 2 * MARGIN_PX;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
      `<title>${escapeXml(title)}</title>`,
      '<style>',
      `text{font:${FONT_PX}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:${FOREGROUND};white-space:pre}`,
      ...PALETTE.map((colour, index) => `.c${index}{fill:${colour}}`),
      '.b{font-weight:700}.d{opacity:.6}',
      '@keyframes s{from{visibility:hidden}to{visibility:visible}}',
      '@media (prefers-reduced-motion:no-preference){g{visibility:hidden;animation:s 1ms forwards}}',
      '</style>',
      `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
      ...lines,
      '</svg>',
      '',
    ].join('\n');
  }
}

interface Run {
  readonly x: number;
  readonly text: string;
  readonly cells: number;
  readonly style: string;
  readonly atMs: number;
}

function runsOf(row: readonly (Cell | undefined)[]): Run[] {
  const runs: Run[] = [];
  const end = row.findLastIndex((cell) => cell !== undefined && cell.text.trim() !== '') + 1;
  for (let x = 0; x < end; x += 1) {
    const { text = ' ', style = '', atMs = 0 } = row[x] ?? {};
    const last = runs.at(-1);
    const shown = text === '' ? ' ' : text;
    if (last !== undefined && last.style === style && Math.abs(atMs - last.atMs) <= FRAME_MS) {
      runs[runs.length - 1] = { ...last, text: last.text + shown, cells: last.cells + 1 };
    } else {
      runs.push({ x, text: shown, cells: 1, style, atMs });
    }
  }
  return runs.filter(({ text }) => text.trim() !== '');
}

function drawRun({ x, text, cells, style, atMs }: Run, y: number): string {
  const left = (MARGIN_PX + x * COLUMN_PX).toFixed(1);
  const baseline = MARGIN_PX + y * LINE_PX + FONT_PX;
  const classes = style === '' ? '' : ` class="${style}"`;
  const length = (cells * COLUMN_PX).toFixed(1);
  return (
    `<g style="animation-delay:${(atMs / 1_000).toFixed(2)}s">` +
    `<text x="${left}" y="${baseline}" textLength="${length}"${classes}>${escapeXml(text)}</text></g>`
  );
}

function styleOf(cell: IBufferCell): string {
  const colour = cell.isFgPalette() ? `c${cell.getFgColor() % PALETTE.length}` : '';
  return [colour, cell.isBold() === 0 ? '' : 'b', cell.isDim() === 0 ? '' : 'd']
    .filter((name) => name !== '')
    .join(' ');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
