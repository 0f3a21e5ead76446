/** A `copilot` for shell scripts of tests: it hands its arguments to the test, which runs the command (`relay.ts`). */
import { once } from 'node:events';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import type { CliResult } from './cli.ts';

const [socketPath, ...args] = process.argv.slice(2);
const asked = request({ socketPath, method: 'POST' });
asked.end(JSON.stringify({ args, cwd: process.cwd() }));
const [answer] = await once(asked, 'response');
const { code, stdout, stderr } = (await json(answer)) as CliResult; // written by relay.ts
process.stderr.write(stderr);
process.stdout.write(stdout);
process.exitCode = code ?? 1;
