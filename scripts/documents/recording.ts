/**
 * `npm run recording`: makes docs/images/session.svg. A shell in a pseudo-terminal runs the real program against a real
 * server: a plan waits for a person, the worker is killed in the middle of it, and another one goes on.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageDir } from '../../src/package-info.ts';
import { PROGRAM } from '../../test/helpers/program.ts';
import { startTestServer } from '../../test/helpers/server.ts';
import { programEnvironment } from '../../test/helpers/worker.ts';
import { TerminalRecorder } from './terminal-svg.ts';

const FILE = join(packageDir, 'docs/images/session.svg');
const COLUMNS = 100;
const ROWS = 72;
const TYPING_MS = 16;
const PROMPT = '$ ';
const PROMPT_TIMEOUT_MS = 90_000;
/** Long enough for the answer that follows the last step. */
const FINAL_ANSWER_MS = 8_000;

const MESSAGE = 'Slowly profile seattle-weather.csv, find the wettest month, and write a report to report.md';

interface Shell {
  readonly process: ChildProcessWithoutNullStreams;
  /** Types a command as a person would. */
  type(command: string): Promise<void>;
  /** Waits until the shell prompts again. */
  untilPrompt(): Promise<void>;
  untilWritten(pattern: RegExp): Promise<void>;
}

const server = await startTestServer();
const recorder = new TerminalRecorder(COLUMNS, ROWS);
const shell = await openShell();
try {
  await prepare(shell);
  recorder.clear();
  await recorder.write(PROMPT, Date.now());
  await shell.type('copilot start --id rain --attach seattle-weather.csv --approve-plan --wait \\');
  await shell.type(`  "${MESSAGE}"`);
  await shell.untilPrompt();
  await shell.type('copilot approve rain');
  await shell.untilWritten(/\[y\/N\]/);
  await shell.type('y');
  await shell.untilPrompt();
  await shell.type('(sleep 2; kill -9 $worker; copilot worker 2>worker.log) &   # the worker dies in mid-step');
  await shell.untilPrompt();
  await shell.type('copilot follow rain');
  await shell.untilWritten(/✓ step 3 completed/);
  await sleep(FINAL_ANSWER_MS);
  await mkdir(dirname(FILE), { recursive: true });
  await writeFile(FILE, recorder.toSvg('A plan waits for a person; its worker is killed; another worker finishes it.'));
} finally {
  // Ends what the shell runs in front, then what it runs behind.
  shell.process.stdin.write('\u0003');
  await sleep(300);
  shell.process.stdin.write('kill $(jobs -p); exit\n');
  await Promise.race([once(shell.process, 'close'), sleep(15_000)]);
  await server.stop();
}

/** A shell whose `copilot` is this program. */
async function openShell(): Promise<Shell> {
  const folder = join(server.homeDir, 'recording');
  await mkdir(folder);
  await copyFile(join(packageDir, 'examples/data/seattle-weather.csv'), join(folder, 'seattle-weather.csv'));
  const program = join(folder, 'copilot');
  await writeFile(
    program,
    `#!/bin/sh\nexec '${process.execPath}' ${PROGRAM.map((word) => `'${word}'`).join(' ')} "$@"\n`,
  );
  await chmod(program, 0o755);
  const environment = programEnvironment(server, { TERM: 'xterm-256color' });
  const child = spawn(
    'script',
    ['-qefc', `stty cols ${COLUMNS} rows ${ROWS}; exec env PS1='${PROMPT}' bash --norc --noprofile -i`, '/dev/null'],
    { cwd: folder, env: { ...environment, PATH: `${folder}:${environment['PATH'] ?? ''}` } },
  );
  return shellOver(child);
}

function shellOver(child: ChildProcessWithoutNullStreams): Shell {
  let written = '';
  let last = Promise.resolve();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
    const now = Date.now();
    last = last.then(() => recorder.write(text, now));
  });
  const until = async (what: string, isReached: () => boolean): Promise<void> => {
    const deadline = Date.now() + PROMPT_TIMEOUT_MS;
    for (;;) {
      await last;
      if (isReached()) return;
      if (Date.now() > deadline) throw new Error(`The shell did not reach ${what}: ${written.slice(-2_000)}`);
      await sleep(20);
    }
  };
  return {
    process: child,
    type: async (command) => {
      written = '';
      for (const character of `${command}\r`) {
        child.stdin.write(character);
        await sleep(TYPING_MS);
      }
    },
    untilPrompt: () => until('its prompt', () => /\n/.test(written) && recorder.promptLine === PROMPT),
    untilWritten: (pattern) => until(String(pattern), () => pattern.test(written)),
  };
}

/** What the picture does not show: a worker, whose process id is in `$worker`. */
async function prepare(target: Shell): Promise<void> {
  await target.type("bind 'set enable-bracketed-paste off'; copilot worker 2>worker.log & worker=$!");
  await target.untilPrompt();
  await target.type("until grep -q 'worker ready' worker.log; do sleep 0.2; done; echo found a worker");
  await target.untilWritten(/\nfound a worker/);
  await target.untilPrompt();
}
