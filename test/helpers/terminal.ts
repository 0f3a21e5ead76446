/** The program in a real terminal: a pseudo-terminal of python3, whose output a terminal emulator renders. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import xterm from '@xterm/headless';
import { PROGRAM } from './program.ts';

const COLUMNS = 120;
const ROWS = 40;

/** Runs a command on a pseudo-terminal of that size, and connects it to stdin and stdout. */
const BRIDGE = `
import fcntl, os, pty, select, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', ${ROWS}, ${COLUMNS}, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
inputs = [0, terminal]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if 0 in ready:
        typed = os.read(0, 65536)
        if typed: os.write(terminal, typed)
        else: inputs.remove(0)
    if terminal in ready:
        try: shown = os.read(terminal, 65536)
        except OSError: break
        if not shown: break
        while shown: shown = shown[os.write(1, shown):]
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
`;

export interface TestTerminal {
  type(keys: string): void;
  /** As terminals send it while bracketed paste is on. */
  paste(text: string): void;
  /** Everything that a person can see, scrolled-off lines too; wrapped lines are one. */
  screen(): string;
  /** @throws Error with the screen after the timeout of 60 s, or when the program ends */
  until(pattern: RegExp, timeoutMs?: number): Promise<void>;
  readonly ended: Promise<number | null>;
  kill(): void;
}

/** Runs `copilot …args`. `env` is the whole environment. */
export function startTerminal(args: readonly string[], env: Record<string, string>): TestTerminal {
  const child = spawn('python3', ['-c', BRIDGE, process.execPath, ...PROGRAM, ...args], {
    env: { ...env, TERM: 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const emulator = new xterm.Terminal({ cols: COLUMNS, rows: ROWS, scrollback: 10_000, allowProposedApi: true });
  child.stdout.on('data', (bytes: Buffer) => emulator.write(bytes));
  const ended = once(child, 'close').then(() => child.exitCode);
  const screen = (): string => {
    const { active } = emulator.buffer;
    let text = '';
    for (let row = 0; row < active.length; row++) {
      const line = active.getLine(row);
      const isWrapped = active.getLine(row + 1)?.isWrapped ?? false;
      text += (line?.translateToString(!isWrapped) ?? '') + (isWrapped ? '' : '\n');
    }
    return text.trimEnd();
  };
  return {
    type: (keys) => void child.stdin.write(keys),
    paste: (text) => void child.stdin.write(`\u001b[200~${text.replaceAll('\n', '\r')}\u001b[201~`),
    screen,
    ended,
    kill: () => void child.kill(),
    until: async (pattern, timeoutMs = 60_000) => {
      const deadline = Date.now() + timeoutMs;
      while (!pattern.test(screen())) {
        if (child.exitCode !== null || Date.now() > deadline)
          throw new Error(`${pattern} did not appear:\n${screen()}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  };
}
