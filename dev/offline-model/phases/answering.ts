/** The final answer of a plan, from the summaries of its steps. */
import type { Prompt } from '../prompt.ts';
import { findingsOf } from '../skills/markdown.ts';
import { isProfile } from '../skills/report.ts';

const MAX_FINDINGS = 8;
const MAX_SENTENCE = 700;

export function finalAnswer(prompt: Prompt): string {
  const failed = prompt.done.filter(({ heading }) => /\[(?:failed|skipped)\]\s*$/.test(heading));
  const findings = prompt.done.filter((step) => !failed.includes(step)).flatMap(findingsOf);
  const results = findings.filter(({ wrote }) => wrote === undefined);
  const answers = results.filter((finding) => !isProfile(finding));
  // Facts about the data come last: the question comes first.
  const facts = results
    .filter(isProfile)
    .map(({ sentence }) => (answers.length > 0 ? firstSentence(sentence) : sentence));
  const sentences = [...answers.map(({ sentence }) => sentence), ...facts]
    .slice(0, MAX_FINDINGS)
    .map((sentence) => sentence.slice(0, MAX_SENTENCE));
  const written = [...new Set([...prompt.written, ...findings.flatMap(({ wrote }) => wrote ?? [])])].filter(
    (path) => !path.startsWith('tool-output/'),
  );
  const parts = [
    ...new Set(sentences),
    ...(written.length > 0
      ? [
          `${written.length === 1 ? 'The file' : 'The files'} ${written.map((path) => `\`${path}\``).join(', ')} ${written.length === 1 ? 'is' : 'are'} in the workspace.`,
        ]
      : []),
    ...failed.map(({ heading }) => `Not done: ${heading}`),
  ];
  return parts.length > 0 ? parts.join('\n\n') : 'All steps are done. Their summaries say nothing further.';
}

function firstSentence(text: string): string {
  return /^[^]*?\.(?=\s|$)/.exec(text)?.[0] ?? text;
}
