/** What a request is about, whole or cut, and the digest by which a decision names it. */
import { digestOf } from './digest.ts';
import type { RequestedForm } from './form.ts';
import { parseJson } from './json.ts';
import type { PendingRequest, RequestedStep } from './request.ts';
import { beginningOf } from './text-cut.ts';

/** The parts of a request that say what will happen. */
export type RequestSubject = Pick<PendingRequest, 'question' | 'tool' | 'steps' | 'form'>;

/**
 * sha-256 of the canonical JSON of what the request is about: `{tool, arguments}` of a call, with its arguments parsed;
 * `{steps}` of a plan or a step; `{question, form}` of a form; `{question}` otherwise. It fits only a request that is whole.
 */
export function subjectDigest({ question, tool, steps, form }: RequestSubject): string {
  if (tool) return digestOf({ tool: tool.name, arguments: parseJson(tool.arguments) ?? tool.arguments });
  if (form) return digestOf({ question, form });
  return digestOf(steps ? { steps } : { question });
}

/** The subject with at most `max` characters of its arguments or steps. `isCut` says whether something is missing. */
export function cutSubject<T extends RequestSubject>(subject: T, max: number): T & { readonly isCut: boolean } {
  const { tool, steps, form } = subject;
  if (form && JSON.stringify(form).length > max) return { ...subject, form: cutForm(form, max), isCut: true };
  if (tool && tool.arguments.length > max) {
    return { ...subject, tool: { ...tool, arguments: beginningOf(tool.arguments, max) }, isCut: true };
  }
  const shown = steps && cutSteps(steps, max);
  return shown ? { ...subject, steps: shown, isCut: true } : { ...subject, isCut: false };
}

function cutForm(form: RequestedForm, max: number): RequestedForm {
  let left = max;
  const fields = form.fields.filter((field) => (left -= JSON.stringify(field).length) >= 0);
  return { ...form, fields };
}

/** Undefined if all steps fit. */
function cutSteps(steps: readonly RequestedStep[], max: number): RequestedStep[] | undefined {
  const shown: RequestedStep[] = [];
  let left = max;
  const take = (text: string): string => {
    const taken = beginningOf(text, left);
    left -= taken.length;
    return taken;
  };
  const length = steps.reduce((sum, { task, notes, summary }) => sum + task.length + notes.length + summary.length, 0);
  if (length <= max) return undefined;
  for (const step of steps) {
    if (left === 0) break;
    const [task, notes, summary] = [take(step.task), take(step.notes), take(step.summary)];
    shown.push({ ...step, task, notes, summary });
  }
  return shown;
}
