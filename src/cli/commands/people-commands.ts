/** Commands by which people decide requests, and change what a session may do and does next. */
import { type Command, Option } from 'commander';
import { addManyOptions, addSettingOptions, type Declare, declareIn, EXPECTED_VERSION, WAIT } from './declare.ts';

const DIGEST = [
  '--digest <hex>',
  'digest of the request that you were shown; refused if it is about anything else',
] as const;
const BY = ['--by <name>', 'name of the person who decides; default your user name on this machine'] as const;

export function declareDecisions(command: Declare): void {
  command('inbox', 'list the requests that wait for people in all sessions, oldest first', [
    'inbox --user ada',
    'inbox --kind tool --json',
  ])
    .option('--user <name>', 'only sessions of this user')
    .option('--kind <kind>', 'plan, before-step, after-step, tool, outcome, budget, input or form')
    .option('--limit <number>', 'number of requests, at most 1000', '100')
    .action(async (flags) => (await import('../people/inbox.ts')).runInbox(flags));

  command('approve <id> [request]', 'approve a request; <request> is needed only if several wait', [
    'approve ses_…',
    'approve ses_… req-3 --session --by ada --wait',
    'approve ses_… --rule "shell: git status*"',
    'approve ses_… --arguments \'{"command": "ls -l"}\'',
    'approve ses_… --limit 50000',
  ])
    .addOption(new Option('--once', 'approve this tool call only; the default').conflicts('session'))
    .option('--session', 'approve all tool calls of this category in this session')
    .option('--rule <rule>', 'approve all calls in this session that a rule matches, such as "shell: git status*"')
    .option('--arguments <json>', 'approve this call with other arguments')
    .option('--edit', 'the same, in your editor (VISUAL or EDITOR)')
    .option('--limit <number>', 'new limit of a budget; default twice the old one')
    .option('--text <text>', 'remark for the record')
    .option(...DIGEST)
    .option(...BY)
    .option(...WAIT)
    .addHelpText(
      'after',
      '\nApproves a plan or a step, accepts the result of a step, or raises a budget. In a terminal it shows all of the\nrequest and asks first.',
    )
    .action(async (id, request, flags) => (await import('../people/decisions.ts')).runApprove(id, request, flags));

  command('deny <id> [request]', 'deny a request; <request> is needed only if several wait', [
    'deny ses_… --reason "not on this machine"',
  ])
    .option('--reason <text>', 'told to the agent; for a step that is redone: what to do differently')
    .option(...BY)
    .option(...WAIT)
    .addHelpText(
      'after',
      '\nRejects a plan, skips a step, has the result of a step redone, or stops a turn at its budget.',
    )
    .action(async (id, request, flags) => (await import('../people/decisions.ts')).runDeny(id, request, flags));
  declareAnswers(command);
}

function declareAnswers(command: Declare): void {
  command('answer <id> [request] [text]', 'answer a question, or fill a form; "-" reads the answer from stdin', [
    'answer ses_… "in French"',
    'answer ses_… req-4 "in French" --wait',
    'answer ses_… req-5 --field name=Ada --field tags=a,b',
    'answer ses_… req-5 --values \'{"name": "Ada", "tags": ["a", "b"]}\' --json',
  ])
    .usage('[options] <id> [request] [text]')
    .option('--field <name=value...>', 'field of a form; those that are left out have their defaults')
    .option('--values <json>', 'fields of a form as one JSON object')
    .option(...DIGEST)
    .option(...BY)
    .option(...WAIT)
    .action(async (id, first, second, flags) =>
      (await import('../people/decisions.ts')).runAnswer(id, first, second, flags),
    );

  command('decide <id> <request> <decision>', 'decide a request with one of its own options, such as modify or redo', [
    'decide ses_… req-1 modify --text "one step less"',
    'decide ses_… req-2 redo --text "with sources"',
  ])
    .option('--text <text>', 'feedback, answer or reason')
    .option('--limit <number>', 'new limit, with raise')
    .option(...DIGEST)
    .option(...BY)
    .option(...WAIT)
    .action(async (id, request, decision, flags) =>
      (await import('../people/decisions.ts')).runDecide(id, request, decision, flags),
    );
}

/** `plan`, and `plan edit` below it. */
export function declarePlan(command: Declare): void {
  const plan: Command = command('plan <id>', 'print the plan of the latest turn that has one').action(
    async (id, flags) => (await import('../session/show.ts')).runPlan(id, flags),
  );
  declareIn(plan)(
    'edit <id> <operation> [step...]',
    'change steps that have not run: add, remove, move, change or restart',
    [
      'plan edit ses_… add 2 --agent writer --task "Translate notes.md"',
      'plan edit ses_… remove 3',
      'plan edit ses_… move 4 2',
      'plan edit ses_… change 2 --agent engineer',
      'plan edit ses_… restart 1',
    ],
  )
    .option('--agent <id>', 'agent that does the step')
    .option('--task <text>', 'what to do')
    .option('--notes <text>', 'hints for the agent')
    .option(...EXPECTED_VERSION)
    .action(async (id, operation, steps, flags) =>
      (await import('../people/plan-edit.ts')).runPlanEdit(id, operation, steps, flags),
    );
}

export function declareChanges(command: Declare): void {
  addSettingOptions(
    command('configure <id>', 'change settings of a session from its next call on', [
      'configure ses_… --agent engineer --temperature 0.5',
      'configure ses_… --model gpt-6-luna',
      'configure ses_… --approve-plan --ask write network',
      'configure ses_… --refresh-team',
    ]),
  )
    .option('--mode <name>', 'mode of the next turns')
    .option('--model <name>', 'model of all agents; with --agent, of that one')
    .option('--reset-model', 'go back to the models of the team')
    .option('--answering-agent <id>', 'agent that answers')
    .option('--reset-answering-agent', 'let team and router choose who answers')
    .option('--agent <id>', 'agent to change, for this session only')
    .option('--temperature <number>', 'its temperature, 0 to 2')
    .option('--instructions-file <path>', 'file with its instructions')
    .option('--reset-agent', 'reset the agent to the team definition')
    .option('--reset-approvals', 'reset all approvals to those of mode and team')
    .option('--reset-budget', 'reset the budget to that of mode and team')
    .option('--idle-timeout <seconds>', 'time until the idle session expires, or "never"')
    .option('--refresh-team', "adopt the team definition from the workers' files")
    .option(...EXPECTED_VERSION)
    .addHelpText('after', '\nUse "--ask code" to undo --allow-code or --no-code.')
    .action(async (id, flags) => (await import('../people/configure.ts')).runConfigure(id, flags));

  addManyOptions(
    command('steer [id] [message]', 'stop the running turn and run this message next', [
      'steer ses_… "in French, please" --wait',
      'steer --all --user ada "stop what you do, and say where you are"',
    ]),
  )
    .option(...WAIT)
    .action(async (id, message, flags) => (await import('../people/steering.ts')).runSteer(id, message, flags));

  command('unqueue <id> <message>', 'remove a queued message, by its id or the id of its turn', [
    'unqueue ses_… turn-4',
  ]).action(async (id, message, flags) => (await import('../people/steering.ts')).runUnqueue(id, message, flags));

  addManyOptions(
    command('rate [id] [rating]', 'rate a session, or one of its turns, from 1 to 5', [
      'rate ses_… 5',
      'rate ses_… 2 --turn 3 --comment "wrong total"',
    ]),
  )
    .option('--turn <number>', 'number or id of the turn; default the whole session')
    .option('--comment <text>')
    .option('--by <name>', 'name of the person who rates; default your user name on this machine')
    .action(async (id, rating, flags) => (await import('../people/steering.ts')).runRate(id, rating, flags));
}
