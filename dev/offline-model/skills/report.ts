/** Puts findings into a file: Markdown by default, data where the name ends in .csv or .json. */
import { quotations, TABLE_FILE } from '../language.ts';
import { tablesIn } from './markdown.ts';
import type { Finding } from './skill.ts';

const FOOTER = '_Written by the offline model of durable-copilot: by rules, from the results of its tools._';

/** @param request the clause that asks for the file: "a short report with a table, titled "Rain"" */
export function composeFile(path: string, request: string, findings: readonly Finding[]): string {
  if (TABLE_FILE.test(path)) return tableFile(path, findings);
  if (/\.jsonl?$/i.test(path)) return jsonFile(findings);
  return /\.(?:txt|log)$/i.test(path) ? textFile(findings) : markdownFile(request, findings);
}

function markdownFile(request: string, findings: readonly Finding[]): string {
  const isShort = /\b(?:short|brief|concise)\b/i.test(request);
  const [main] = mainFindings(findings);
  const stated = quotations(request).find(({ index }) =>
    /\b(?:titled|entitled|title|heading)\s*:?\s*$/i.test(request.slice(0, index)),
  )?.text;
  const parts = findings.map((finding) => {
    if (!isProfile(finding))
      return `## ${finding.title}\n\n**${finding.sentence}**${finding.body === '' ? '' : `\n\n${finding.body}`}`;
    // A short report keeps the facts of the data and leaves out the table of its columns, if there is another.
    const rest = isShort && findings.length > 1 ? '' : `\n\n${finding.body}`;
    return `## Data\n\n${finding.sentence}${rest}`;
  });
  return (
    [`# ${stated ?? `Report: ${main?.title ?? ''}`}`, ...parts, '---', FOOTER].join('\n\n').replace(/\n{3,}/g, '\n\n') +
    '\n'
  );
}

function textFile(findings: readonly Finding[]): string {
  return `${findings
    .map(({ sentence, body }) => `${sentence}${body === '' ? '' : `\n\n${body}`}`)
    .join('\n\n')
    .replaceAll('**', '')}\n`;
}

function tableFile(path: string, findings: readonly Finding[]): string {
  const [rows] = mainFindings(findings).flatMap(({ body }) => tablesIn(body));
  const lines = rows ?? [['finding'], ...findings.map(({ sentence }) => [sentence])];
  const separator = /\.tsv$/i.test(path) ? '\t' : ',';
  const quote = (cell: string): string => (/["\n,\t]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const [header = []] = lines;
  // The last column only marks the winner.
  const width = header.at(-1) === '' ? header.length - 1 : header.length;
  return `${lines.map((cells) => cells.slice(0, width).map(quote).join(separator)).join('\n')}\n`;
}

function jsonFile(findings: readonly Finding[]): string {
  const toObject = ([header = [], ...rows]: readonly (readonly string[])[]): Record<string, unknown>[] =>
    rows.map((cells) =>
      Object.fromEntries(header.flatMap((name, index) => (name === '' ? [] : [[name, value(cells[index] ?? '')]]))),
    );
  const entries = findings.map(({ title, sentence, body }) => {
    const [table] = tablesIn(body);
    return { title, finding: sentence, ...(table ? { table: toObject(table) } : {}) };
  });
  return `${JSON.stringify({ findings: entries, writtenBy: 'the offline model of durable-copilot' }, null, 2)}\n`;
}

function value(cell: string): string | number {
  return /^-?\d+(?:\.\d+)?$/.test(cell) ? Number(cell) : cell;
}

/** Answers before facts: a profile is background where there is anything else. */
function mainFindings(findings: readonly Finding[]): readonly Finding[] {
  const answers = findings.filter((finding) => !isProfile(finding));
  return answers.length > 0 ? answers : findings;
}

export function isProfile({ title }: Finding): boolean {
  return title.startsWith('Profile of ');
}
