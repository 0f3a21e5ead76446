/** Findings as Markdown, and back: later steps see nothing but the summaries of earlier ones. */
import type { Section } from '../prompt.ts';
import type { Finding } from './skill.ts';

/** Longest summary of a step, in characters. */
const MAX_SUMMARY = 3_000;
const LABEL = 'Finding: ';

export type Row = readonly string[];

export function toTable(header: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The tables in a text: rows of cells, the header first. Bold marks are taken off. */
export function tablesIn(text: string): Row[][] {
  const tables: Row[][] = [];
  let isOpen = false;
  for (const line of text.split('\n')) {
    const isRow = /^\s*\|.*\|\s*$/.test(line);
    if (isRow && !isOpen) tables.push([]);
    isOpen = isRow;
    if (!isRow || /^[\s|:-]+$/.test(line)) continue;
    const cells = line
      .trim()
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.replaceAll('\\|', '|').replaceAll('**', '').trim());
    tables.at(-1)?.push(cells);
  }
  return tables.filter((rows) => rows.length > 1);
}

/** What a step reports: title, the finding in words, then the rest as far as it fits. */
export function toSummary(findings: readonly Finding[]): string {
  const room = Math.floor(MAX_SUMMARY / Math.max(1, findings.length)) - 2;
  return findings.map((finding) => summary(finding, room)).join('\n\n');
}

function summary({ title, sentence, body }: Finding, room: number): string {
  const head = `### ${title}\n${LABEL}${sentence.replace(/\s*\n\s*/g, ' ')}`.slice(0, room);
  const lines = body === '' ? [] : body.split('\n');
  const kept: string[] = [];
  let left = room - head.length - 4;
  for (const line of lines) {
    left -= line.length + 1;
    if (left < 0) break;
    kept.push(line);
  }
  if (kept.length === 0) return head;
  return `${head}\n\n${kept.join('\n')}${kept.length < lines.length ? '\n…' : ''}`;
}

/** What a person reads in a direct answer. */
export function toReply(findings: readonly Finding[]): string {
  return findings.map(({ sentence, body }) => (body === '' ? sentence : `${sentence}\n\n${body}`)).join('\n\n');
}

/** The findings in the summary of a step, whoever wrote it. */
export function findingsOf({ heading, text }: Section): Finding[] {
  const whole = text.split(/^### /m).slice(1).flatMap(parseFinding);
  if (whole.length > 0) return whole;
  // The engine folds older summaries into one line, and a person or another model writes as they like.
  const line = /### (.+?) Finding: ([^]*)$/.exec(text);
  if (line) return [{ title: line[1] ?? heading, sentence: (line[2] ?? '').replace(/\s\|[^]*$/, '').trim(), body: '' }];
  const [sentence = '', ...body] = text.split('\n');
  return text.trim() === '' ? [] : [{ title: heading, sentence, body: body.join('\n').trim() }];
}

function parseFinding(part: string): Finding[] {
  const [title = '', labelled = '', ...rest] = part.split('\n');
  if (!labelled.startsWith(LABEL)) return [];
  const wrote = /^(?:Wrote|Edited|Added to) (.+)$/.exec(title)?.[1];
  return [
    {
      title,
      sentence: labelled.slice(LABEL.length),
      body: rest.join('\n').trim(),
      ...(wrote === undefined ? {} : { wrote }),
    },
  ];
}
