/** The commands by which people decide, and change what a session may do and does next. */
import { type Command, Option } from 'commander';

/** Declares one command, as `program.ts` does. */
type Declare = (usage: string, description: string, examples?: readonly string[], parent?: Command) => Command;

const EXPECTED_VERSION = [
  '--expected-version <number>',
  'version of the session that you have seen; nothing changes where it is another',
] as const;
const BY = ['--by <name>', 'who decides; default your name on this machine'] as const;
const WAIT = ['--wait', 'wait for the turn and print its outcome'] as const;

/** Options of all commands that say what waits for a person and what a turn may use. */
export function settingOptions(target: Command): Command {
  return target
    .option('--allow-code', 'let agents run code on the worker without asking; by default each call waits')
    .option('--no-code', 'never let agents run code')
    .option('--approve-plan', 'let plans wait for approval')
    .option('--no-approve-plan')
    .option('--approve-before-step', 'let each step wait before it begins')
    .option('--no-approve-before-step')
    .option('--approve-after-step', "let each step's result wait to be accepted")
    .option('--no-approve-after-step')
    .option('--ask <category...>', 'tools that wait for approval: read, write, code, shell, network, conversation')
    .option('--allow <category...>', 'tools that run without asking')
    .option('--deny <category...>', 'tools that agents are not offered')
    .option('--approval-timeout <seconds>', 'until a request expires; default 1800')
    .option('--input-timeout <seconds>', 'until a question expires; default 3600')
    .option('--budget-tokens <number>', 'tokens at which a turn pauses')
    .option('--budget-cost <dollars>', "cost at which a turn pauses, by the team's prices")
    .option('--budget-tool-calls <number>', 'tool calls at which a turn pauses')
    .option('--budget-seconds <number>', 'time at which a turn pauses, without that spent waiting for people')
    .option('--budget-rounds <number>', 'model calls at which a turn pauses');
}

export function declareDecisions(command: Declare): void {
  command('inbox', 'what waits for people in all sessions, oldest first', [
    'inbox --user ada',
    'inbox --kind tool --json',
  ])
    .option('--user <name>', 'only of the sessions of this user')
    .option('--kind <kind>', 'plan, before-step, after-step, tool, budget or input')
    .option('--limit <number>', 'most requests, 1000 at most', '100')
    .action(async (flags) => (await import('./people/inbox.ts')).inbox(flags));

  command('approve <id> [request]', 'say yes to what waits; without <request>, where only one does', [
    'approve ses_…',
    'approve ses_… req-3 --session --by ada --wait',
    'approve ses_… --limit 50000',
  ])
    .addOption(new Option('--once', 'this tool call; the default').conflicts('session'))
    .option('--session', 'this tool call and all others of its category, in this session')
    .option('--limit <number>', 'new limit of a budget; default twice the old one')
    .option('--text <text>', 'a remark, for the record')
    .option(...BY)
    .option(...WAIT)
    .addHelpText('after', '\nA plan or step is approved, a step that has ended accepted, a budget raised.')
    .action(async (id, request, flags) => (await import('./people/decisions.ts')).approve(id, request, flags));

  command('deny <id> [request]', 'say no to what waits; without <request>, where only one does', [
    'deny ses_… --reason "not on this machine"',
  ])
    .option('--reason <text>', 'told to the agent; what to do differently, where a step is to be redone')
    .option(...BY)
    .option(...WAIT)
    .addHelpText(
      'after',
      '\nA plan is rejected, a step skipped, a step that has ended redone, a turn stopped at its budget.',
    )
    .action(async (id, request, flags) => (await import('./people/decisions.ts')).deny(id, request, flags));

  command('answer <id> <request> [text]', 'answer a question; "-" reads the answer from stdin', [
    'answer ses_… "in French"',
    'answer ses_… req-4 "in French" --wait',
  ])
    .usage('[options] <id> [request] <text>')
    .option(...BY)
    .option(...WAIT)
    .action(async (id, first, second, flags) =>
      (await import('./people/decisions.ts')).answer(id, first, second, flags),
    );

  command('decide <id> <request> <decision>', 'decide a request in one of its own words, such as modify or redo', [
    'decide ses_… req-1 modify --text "one step less"',
    'decide ses_… req-2 redo --text "with sources"',
  ])
    .option('--text <text>', 'feedback, answer or reason')
    .option('--limit <number>', 'new limit, with raise')
    .option(...BY)
    .option(...WAIT)
    .action(async (id, request, decision, flags) =>
      (await import('./people/decisions.ts')).decide(id, request, decision, flags),
    );
}

export function declareChanges(command: Declare, plan: Command): void {
  command(
    'edit <id> <operation> [step...]',
    'change steps that have not run: add, remove, move, change or restart',
    [
      'plan edit ses_… add 2 --agent writer --task "Translate notes.md"',
      'plan edit ses_… remove 3',
      'plan edit ses_… move 4 2',
      'plan edit ses_… change 2 --agent engineer',
      'plan edit ses_… restart 1',
    ],
    plan,
  )
    .option('--agent <id>', 'who does the step')
    .option('--task <text>', 'what to do')
    .option('--notes <text>', 'hints for the agent')
    .option(...EXPECTED_VERSION)
    .action(async (id, operation, steps, flags) =>
      (await import('./people/plan-edit.ts')).planEdit(id, operation, steps, flags),
    );

  settingOptions(
    command('configure <id>', 'change settings of a session, from its next call on', [
      'configure ses_… --agent engineer --temperature 0.5',
      'configure ses_… --approve-plan --ask write network',
      'configure ses_… --refresh-team',
    ]),
  )
    .option('--mode <name>', 'mode of the next turns')
    .option('--agent <id>', 'agent to change, for this session only')
    .option('--model <name>', 'its model')
    .option('--temperature <number>', 'its temperature, 0 to 2')
    .option('--instructions-file <path>', 'its instructions')
    .option('--reset-agent', 'take the agent back to what the team says')
    .option('--reset-approvals', 'take all approvals back to what mode and team say')
    .option('--reset-budget', 'take the budget back to what mode and team say')
    .option('--idle-timeout <seconds>', 'until the idle session expires, or "never"')
    .option('--refresh-team', "take over the team's definition as its files have it now")
    .option(...EXPECTED_VERSION)
    .addHelpText('after', '\nAfter --allow-code or --no-code, "--ask code" takes code back to waiting for approval.')
    .action(async (id, flags) => (await import('./people/configure.ts')).configure(id, flags));

  command('steer <id> <message>', 'stop the running turn and go on with this message, before what waits', [
    'steer ses_… "in French, please" --wait',
  ])
    .option(...WAIT)
    .action(async (id, message, flags) => (await import('./people/steering.ts')).steer(id, message, flags));

  command('unqueue <id> <message>', 'take back a message that waits, by its id or that of its turn', [
    'unqueue ses_… turn-4',
  ]).action(async (id, message, flags) => (await import('./people/steering.ts')).unqueue(id, message, flags));

  command('rate <id> <rating>', 'rate a session, or one of its turns, from 1 to 5', [
    'rate ses_… 5',
    'rate ses_… 2 --turn 3 --comment "wrong total"',
  ])
    .option('--turn <number>', 'number or id of the turn; default the whole session')
    .option('--comment <text>')
    .option('--by <name>', 'who rates; default your name on this machine')
    .action(async (id, rating, flags) => (await import('./people/steering.ts')).rate(id, rating, flags));
}
