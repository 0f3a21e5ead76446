/** Changes a place in a file, or goes on with it: `replace "a" with "b" in notes.txt`, `append "x" to log.txt`. */
import type { Action } from '../actions.ts';
import { fileNames } from '../language.ts';
import { withFile } from './files.ts';
import { CannotDo, use, type Desk, type Finding, type Work } from './skill.ts';

const QUOTE = '("[^"]*"|“[^”]*”|«[^»]*»|`[^`\\n]*`|\'[^\'\\n]*\')';
const PHRASE = new RegExp(
  `^(?:replace|change)\\s+(?:(all|every|each)\\s+)?${QUOTE}\\s+(?:with|by|to|into)\\s+${QUOTE}\\s+(?:everywhere\\s+)?in\\s+([^]+)$`,
  'i',
);

interface Edit {
  readonly path: string;
  readonly oldText: string;
  readonly newText: string;
  readonly isAll: boolean;
}

/** The edit that a clause asks for. */
export function editIn(clause: string): Edit | undefined {
  const [, all, before = '', after = '', where = ''] = PHRASE.exec(clause) ?? [];
  const [path] = fileNames(where);
  const oldText = before.slice(1, -1);
  if (path === undefined || oldText === '') return undefined;
  return { path, oldText, newText: after.slice(1, -1), isAll: all !== undefined };
}

export function* editFile({ text }: Action): Work<Finding> {
  const edit = editIn(text);
  if (!edit) throw new CannotDo('Say it like this: replace "old" with "new" in notes.txt.');
  const { oldText, newText, isAll } = edit;
  const args = { old_text: oldText, new_text: newText, ...(isAll ? { replace_all: true } : {}) };
  const { path, text: said } = yield* withFile('edit_file', edit.path, args, `I change ${edit.path}.`);
  return {
    title: `Edited ${path}`,
    sentence: `I replaced "${oldText}" with "${newText}": ${said}`,
    body: '',
    wrote: path,
  };
}

/** Adds a line at the end of a file. */
export function* append(path: string, line: string, { prompt }: Desk): Work<Finding> {
  const before = prompt.tools.has('read_file')
    ? yield* use('read_file', { path }, `I look how ${path} ends.`)
    : undefined;
  const isOpen = before !== undefined && !before.failed && !/\n$|^\[.* is empty\.\]$|\n\[Lines .*\]$/.test(before.text);
  const content = `${isOpen ? '\n' : ''}${line}\n`;
  const result = yield* use('append_file', { path, content }, `I add to ${path}.`);
  if (result.failed) throw new CannotDo(result.text);
  return { title: `Added to ${path}`, sentence: `I added a line to \`${path}\`: ${line}`, body: '', wrote: path };
}
