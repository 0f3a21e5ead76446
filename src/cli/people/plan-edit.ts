/** `copilot plan edit`: changes steps that have not run. */
import type { PlanEdit } from '../../client/session/options.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { withClient } from '../connected.ts';
import { parseWholeNumber } from '../numbers.ts';
import { planText } from '../session/show.ts';
import { versionOption, type VersionFlags } from '../session/json-file.ts';
import { printResult } from '../terminal.ts';

export interface PlanEditFlags extends VersionFlags {
  readonly agent?: string;
  readonly task?: string;
  readonly notes?: string;
}

const USES = {
  add: 'add [step] --agent <id> --task <text>',
  remove: 'remove <step>',
  move: 'move <step> <to>',
  change: 'change <step> --agent <id>, --task <text> or --notes <text>',
  restart: 'restart <step>',
} as const;
type Operation = keyof typeof USES;

export async function runPlanEdit(
  id: string,
  operation: string,
  numbers: readonly string[],
  flags: PlanEditFlags,
): Promise<void> {
  if (!Object.hasOwn(USES, operation)) {
    throw new CopilotError('InvalidInput', {
      what: `plan edit ${operation}`,
      problem: `use one of: ${Object.values(USES).join('; ')}`,
    });
  }
  const op = operation as Operation; // a key of USES, as was just seen
  const steps = numbers.map((text) => parseWholeNumber(`step`, text));
  await withClient(async (client) => {
    const session = client.session(id);
    const edit = await editOf(session, op, steps, flags);
    const view = await session.editPlan([edit], versionOption(flags));
    printResult(flags.json, view, () => planText(view));
  });
}

async function editOf(
  session: SessionHandle,
  op: Operation,
  steps: readonly number[],
  { agent, task, notes }: PlanEditFlags,
): Promise<PlanEdit> {
  const [step, to] = steps;
  const words = { ...(agent === undefined ? {} : { agent }), ...(task === undefined ? {} : { task }) };
  const hint = notes === undefined ? {} : { notes };
  const isWordless = agent === undefined && task === undefined && notes === undefined;
  switch (op) {
    case 'add':
      if (agent === undefined || task === undefined || steps.length > 1) break;
      return { op, at: step ?? (await lastStep(session)) + 1, agent, task, ...hint };
    case 'remove':
    case 'restart':
      if (step === undefined || steps.length > 1 || !isWordless) break;
      return { op, step };
    case 'move':
      if (step === undefined || to === undefined || steps.length > 2 || !isWordless) break;
      return { op, step, to };
    case 'change':
      if (step === undefined || steps.length > 1 || isWordless) break;
      return { op, step, ...words, ...hint };
  }
  throw new CopilotError('InvalidInput', { what: `plan edit ${op}`, problem: `use: ${USES[op]}` });
}

async function lastStep(session: SessionHandle): Promise<number> {
  return (await session.plan())?.steps.length ?? 0;
}
