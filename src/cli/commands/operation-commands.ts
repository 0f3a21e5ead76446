/** Commands that run servers and workers, and look after them. */
import type { Command } from 'commander';
import { type Declare, declareGroup } from './declare.ts';

export function declareServing(command: Declare): void {
  command('dev', 'run server, worker and Web UI until Ctrl-C, and a page to use them')
    .option('--port <port>', 'port of a server that this command starts; default 7233, or a free one')
    .option('--ui-port <port>', 'port of its Web UI; default the port of the server plus 1000')
    .option('--page-port <port>', 'port of the page and the HTTP gateway; default 7280, or a free one')
    .action(async (flags) => (await import('../operations/serve.ts')).runDev(flags));

  command('worker', 'run a worker; SIGTERM lets it finish its running activities').action(async () =>
    (await import('../operations/serve.ts')).runWorker(),
  );

  command('demo', 'start server and worker, then chat; without a terminal, run a session on sample data').action(
    async () => (await import('../operations/serve.ts')).runDemo(),
  );
}

export function declareCare(program: Command, command: Declare): void {
  command('doctor', 'check what sessions need, and say how to fix what is missing; changes nothing', [
    'doctor',
    'doctor --json',
  ])
    .addHelpText(
      'after',
      '\nEach model that the teams name gets two small requests. Exits with 1 if something is missing; warnings do not count.',
    )
    .action(async (flags) => (await import('../operations/doctor.ts')).runDoctor(flags));

  command('replay [ids...]', 'check that sessions replay on the workflow code of this version; changes nothing', [
    'replay ses_…',
    'replay --all --since 2026-11-01',
  ])
    .option('--all', 'check every session')
    .option('--since <time>', 'with --all: only sessions that changed since then')
    .addHelpText('after', '\nExits with 1 if a session does not replay. Run it before you deploy a new version.')
    .action(async (ids, flags) => (await import('../operations/replay.ts')).runReplay(ids, flags));

  command('codec', 'decrypt payloads for the Web UI and the `temporal` command until Ctrl-C', [
    'codec',
    'codec --origin http://localhost:8080',
  ])
    .option('--port <port>', 'default 8234')
    .option('--host <address>', 'address to listen on; any but loopback needs COPILOT_CODEC_TOKEN', '127.0.0.1')
    .option('--origin <url...>', 'Web UIs that may use it; default the known one')
    .action(async (flags) => (await import('../operations/codec.ts')).runCodec(flags));

  command('gateway', 'serve sessions over HTTP until SIGTERM: REST, and events that resume', [
    'gateway',
    'gateway --port 8080 --host 0.0.0.0',
  ])
    .option('--port <port>', 'default 7280')
    .option('--host <address>', 'address to listen on; put TLS in front of any but loopback', '127.0.0.1')
    .action(async (flags) => (await import('../operations/gateway.ts')).runGateway(flags));

  declareKeys(declareGroup(program, 'keys', 'keys for the HTTP gateway'));
  declareWebhooks(declareGroup(program, 'webhooks', 'signed HTTP requests that tell what happens in sessions'));

  command(
    'completion <shell> [words...]',
    'print the script by which a shell completes commands, options and session ids',
    [
      'completion zsh > ~/.zsh/completions/_copilot',
      'completion bash >> ~/.bashrc',
      'completion fish > ~/.config/fish/completions/copilot.fish',
    ],
  )
    .addHelpText('after', '\nShells: bash, fish, powershell, zsh.')
    .action(async (shell, words) => (await import('../operations/completion.ts')).runCompletion(shell, words, program));

  declareAgents(declareGroup(program, 'agents', 'agents that the workers on this machine have open'));

  command('stats', 'print statistics of the agent caches of the workers on this machine').action(async (flags) =>
    (await import('../operations/workers.ts')).runStats(flags),
  );
}

function declareKeys(command: Declare): void {
  command('add <name>', 'make a key for a person or program, and print it once', [
    'keys add ada',
    'keys add review-board --role approver',
  ])
    .option('--role <role>', 'user: own sessions; approver: also reads and decides all; operator: everything', 'user')
    .action(async (name, flags) => (await import('../operations/gateway.ts')).runKeysAdd(name, flags));

  command('list', 'list keys, without the keys themselves', ['keys list --json']).action(async (flags) =>
    (await import('../operations/gateway.ts')).runKeysList(flags),
  );

  command('revoke <key>', 'revoke a key by its id, or all of a name; it stops working at once', [
    'keys revoke 1a2b3c4d',
    'keys revoke ada',
  ]).action(async (key, flags) => (await import('../operations/gateway.ts')).runKeysRevoke(key, flags));
}

function declareWebhooks(command: Declare): void {
  const user = ['--user <name>', 'owner of the sessions; default the sessions of everybody'] as const;
  command('add <url>', 'add a webhook, and print its secret once', [
    'webhooks add https://example.org/hook --user ada',
    'webhooks add https://example.org/hook --event request.opened',
  ])
    .option(...user)
    .option('--event <type...>', 'request.opened, turn.ended, session.ended; default all')
    .action(async (url, flags) => (await import('../operations/webhooks.ts')).runWebhooksAdd(url, flags));

  command('list', 'list webhooks, whether they work and what waits', ['webhooks list --user ada --json'])
    .option(...user)
    .action(async (flags) => (await import('../operations/webhooks.ts')).runWebhooksList(flags));

  command('remove <webhook>', 'remove a webhook', ['webhooks remove whk_…'])
    .option(...user)
    .action(async (id, flags) => (await import('../operations/webhooks.ts')).runWebhooksRemove(id, flags));

  command('rotate <webhook>', 'print another secret; the old one signs as well for 24 hours', ['webhooks rotate whk_…'])
    .option(...user)
    .action(async (id, flags) => (await import('../operations/webhooks.ts')).runWebhooksRotate(id, flags));

  command('test <webhook>', 'deliver a test now; if it succeeds, a disabled webhook goes on', ['webhooks test whk_…'])
    .option(...user)
    .action(async (id, flags) => (await import('../operations/webhooks.ts')).runWebhooksTest(id, flags));
}

function declareAgents(command: Declare): void {
  command('list', 'list teams and private agents of sessions', ['agents list --json']).action(async (flags) =>
    (await import('../operations/workers.ts')).runAgentsList(flags),
  );

  command('close [key]', 'close one agent, or all; 8 digits of a digest are enough', [
    'agents close default@1a2b3c4d',
    'agents close writer#ses_…',
    'agents close --all --force',
  ])
    .option('--all', 'close everything that is open')
    .option('--force', 'close agents in use too; their calls fail and are retried')
    .action(async (key, flags) => (await import('../operations/workers.ts')).runAgentsClose(key, flags));
}
