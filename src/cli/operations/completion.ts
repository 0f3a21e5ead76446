/** `copilot completion`: the script for a shell, and the suggestions that the script asks for. */
import tab from '@bomb.sh/tab';
import type { Command } from 'commander';
import { CopilotClient } from '../../client/copilot-client.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { visible } from '../../contracts/visible-text.ts';

const SHELLS = ['bash', 'fish', 'powershell', 'zsh'];
/** The script calls `copilot completion complete -- WORDS`. */
const SUGGEST = 'complete';
/** How many sessions are offered, newest first. */
const MAX_SESSIONS = 50;
/** Nobody waits longer for a suggestion. */
const TIMEOUT_MS = 3_000;

/** @throws CopilotError `InvalidInput` for an unknown shell */
export async function runCompletion(shell: string, words: readonly string[], program: Command): Promise<void> {
  if (shell === SUGGEST) return suggest(words, program);
  if (!SHELLS.includes(shell))
    throw new CopilotError('InvalidInput', {
      what: `shell "${shell}"`,
      problem: `the shells are ${SHELLS.join(', ')}`,
    });
  tab.setup('copilot', 'copilot completion', shell);
}

async function suggest(words: readonly string[], program: Command): Promise<void> {
  const sessions = await recentSessions();
  const suggestSessions = (suggestOne: (value: string, description: string) => void): void => {
    for (const { id, title } of sessions) suggestOne(id, title);
  };
  const declare = (parent: Command, path: string): void => {
    for (const command of parent.createHelp().visibleCommands(parent)) {
      const name = `${path}${command.name()}`;
      const completed = tab.command(name, command.description());
      for (const { long, description } of command.createHelp().visibleOptions(command)) {
        if (long !== undefined && long !== null) completed.option(long.slice(2), description);
      }
      for (const argument of command.registeredArguments) {
        const isSession = /^ids?$/.test(argument.name());
        completed.argument(argument.name(), isSession ? suggestSessions : undefined, argument.variadic);
      }
      declare(command, `${name} `);
    }
  };
  declare(program, '');
  tab.parse([...words]);
}

/** Nothing if no server answers: a shell must not hang or print errors while a person types. */
async function recentSessions(): Promise<{ id: string; title: string }[]> {
  let client: CopilotClient | undefined;
  const late = new Promise<[]>((resolve) => setTimeout(resolve, TIMEOUT_MS, []).unref());
  const listed = (async () => {
    client = await CopilotClient.connect();
    const { sessions } = await client.list({ limit: MAX_SESSIONS });
    return sessions.map(({ id, name, status }) => ({
      id,
      title: visible(`${name} (${status})`).replaceAll('\n', ' '),
    }));
  })().catch(() => []);
  const found = await Promise.race([listed, late]);
  void client?.close().catch(() => undefined);
  return found;
}
