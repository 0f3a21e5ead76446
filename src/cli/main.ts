#!/usr/bin/env node
/** The `copilot` command. It enables the compile cache before it loads anything else, since only later modules gain. */
import * as module from 'node:module';

// An older Node fails at one of the next imports, with an error that names no version.
const LEAST = [22, 18] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isTooOld = major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1]);
// `doctor` tells more, if it can run at all.
const canDiagnose = process.argv[2] === 'doctor' && 'enableCompileCache' in module;
if (isTooOld && !canDiagnose) {
  // oxlint-disable-next-line no-restricted-properties -- terminal.ts need not load on such a Node, and all of this is ours
  process.stderr.write(`error: Node ${process.versions.node} is too old. Install Node ${LEAST.join('.')} or newer.\n`);
  process.exit(1);
}

// The kernel ends no first process of a container by a signal that the process has no handler for. So `docker stop` would
// kill a worker that still waits for its server, after its time of grace.
if (process.pid === 1) {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => void (process.listenerCount(signal) === 1 && process.exit(code)));
  }
}

// Whatever this program makes is for its owner only: histories, logs and exports have what people and models wrote.
process.umask(0o077);
module.enableCompileCache();
const { runProgram } = await import('./program.ts');
await runProgram(process.argv.slice(2));
// Nothing is left to do. Without this the process collects garbage while its sockets close, for up to 30 ms.
process.exit();
