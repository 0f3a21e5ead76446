/** The sections of what the engine tells an agent. The offline model finds them by the same names. */

export const HEADINGS = {
  task: 'Task',
  plan: 'Plan',
  done: 'Done so far',
  step: 'Your step',
  failure: 'The attempt before failed',
  changes: 'What the person wants done differently',
  steps: 'Steps',
  files: 'Files written',
  conversation: 'Conversation',
  effects: 'Done by earlier attempts',
  unknown: 'Nobody knows whether these took effect',
} as const;

export function section(heading: keyof typeof HEADINGS, text: string): string {
  return `# ${HEADINGS[heading]}\n${text}`;
}
