/** Reads pages of the web: `fetch https://example.org/`. */
import type { Action } from '../../actions.ts';
import { addresses } from '../../language.ts';
import { CannotDo, use, type Finding, type Work } from '../skill.ts';

const MAX_PAGES = 5;
/** Text of a page that goes into a finding. */
const MAX_EXCERPT = 1_500;
const MAX_BEGINNING = 200;

export function* fetchPages({ text }: Action): Work<Finding[]> {
  const findings: Finding[] = [];
  for (const url of addresses(text).slice(0, MAX_PAGES)) {
    const result = yield* use('fetch_url', { url }, `I read ${url}.`);
    if (result.failed) throw new CannotDo(result.text);
    findings.push(describePage(url, result.text));
  }
  return findings;
}

/** The tool gives lines of facts, an empty line, and the text. */
function describePage(url: string, result: string): Finding {
  const end = result.indexOf('\n\n');
  const facts = end < 0 ? '' : result.slice(0, end);
  const text = result.slice(end < 0 ? 0 : end).trim();
  const title = /^Title: (.+)$/m.exec(facts)?.[1];
  const beginning = text.replace(/\s+/g, ' ').slice(0, MAX_BEGINNING).trim();
  const named = title === undefined ? '' : `, titled "${title}",`;
  return {
    title: `Text of ${url}`,
    sentence: `${url}${named} has ${text.length} characters of text. It begins: "${beginning}${beginning.length < text.length ? '…' : ''}"`,
    body: text.length <= MAX_BEGINNING ? '' : `\`\`\`\n${text.slice(0, MAX_EXCERPT)}\n\`\`\``,
  };
}
