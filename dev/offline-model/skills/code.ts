/** Runs code that the person gives, in the message or in a file. */
import type { Action } from '../actions.ts';
import { codeBlocks } from '../language.ts';
import { withFile } from './files.ts';
import { CannotDo, use, type Desk, type Finding, type Work } from './skill.ts';

type Language = 'node' | 'python';

/** Output that goes into a finding. */
const MAX_OUTPUT = 1_500;

export function* runCode(action: Action, { prompt }: Desk): Work<Finding[]> {
  const programs = yield* programsOf(action, prompt.request, prompt.task, prompt.tools.has('run_code'));
  if (programs.length === 0)
    throw new CannotDo(
      'There is no code to run. Put it between lines of three backticks, with the language behind the first: ```python',
    );
  const findings: Finding[] = [];
  for (const { language, code } of programs.slice(0, 4)) {
    const result = yield* use(
      'run_code',
      { language, code },
      `I run the ${language === 'node' ? 'JavaScript' : 'Python'} code.`,
    );
    if (result.failed) throw new CannotDo(result.text);
    const name = language === 'node' ? 'JavaScript' : 'Python';
    findings.push(describeRun(`Run of ${name} code`, 'The code', result.text));
  }
  return findings;
}

interface Program {
  readonly language: Language;
  readonly code: string;
}

function* programsOf({ text, files }: Action, request: string, task: string, mayRun: boolean): Work<Program[]> {
  for (const source of [text, request, task]) {
    const blocks = codeBlocks(source).filter(({ code }) => code.trim() !== '');
    if (blocks.length > 0)
      return blocks.map(({ language, code }) => ({ language: languageOf(language, code, source), code }));
  }
  const script = files.find((file) => /\.(?:py|m?js|cjs)$/i.test(file));
  if (script !== undefined && mayRun) {
    const { text: code } = yield* withFile('read_file', script, {}, `I read ${script}.`);
    return [{ language: /\.py$/i.test(script) ? 'python' : 'node', code }];
  }
  const inline = /`([^`]+)`/.exec(text)?.[1];
  // Without the tool there is nothing to read first either: the call itself says what is missing.
  return inline === undefined
    ? script === undefined
      ? []
      : [{ language: 'node', code: script }]
    : [{ language: languageOf('', inline, text), code: inline }];
}

function languageOf(marked: string, code: string, around: string): Language {
  if (marked.startsWith('py')) return 'python';
  if (/^(?:js|javascript|node|mjs|cjs|ts|typescript)/.test(marked)) return 'node';
  if (/\bpython\b/i.test(around)) return 'python';
  if (/\b(?:node|javascript|js)\b/i.test(around)) return 'node';
  return /\bprint\s*\(|^\s*(?:def|import|from|elif)\b/m.test(code) && !/\b(?:const|let|require)\b|=>/.test(code)
    ? 'python'
    : 'node';
}

/** What a program did, from the report of its run. */
export function describeRun(title: string, what: string, text: string): Finding {
  const code = /^Exit code (-?\d+)/.exec(text)?.[1];
  const output =
    /^--- stdout ---\n([^]*?)(?=\n--- |\n?$(?![^]))/m.exec(text)?.[1]?.trim() ??
    (code === undefined ? text.trim() : '');
  const errors = /^--- stderr ---\n([^]*?)(?=\n--- |\n?$(?![^]))/m.exec(text)?.[1]?.trim() ?? '';
  const ended = code === undefined || code === '0' ? `${what} ran` : `${what} ended with exit code ${code}`;
  const short = output.length <= 200 && !output.includes('\n');
  const said =
    output === ''
      ? ' and printed nothing'
      : short
        ? ` and printed: ${output}`
        : `; its output has ${output.split('\n').length} lines`;
  const error = errors === '' ? '' : ` Its last error line: ${errors.split('\n').at(-1)}`;
  const fenced = short && errors === '' ? '' : `\`\`\`\n${text.slice(0, MAX_OUTPUT)}\n\`\`\``;
  return {
    title,
    sentence: `${ended}${said}.${error}`.replace(/\.\.$/, '.'),
    body: fenced,
  };
}
