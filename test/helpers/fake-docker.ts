/** A `docker` that keeps no container: it writes down what it is asked for, and runs the command on this machine. */
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const PROGRAM = `#!${process.execPath}
const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');
const home = path.dirname(__filename);
const state = path.join(home, 'containers');
const args = process.argv.slice(2);
fs.appendFileSync(path.join(home, 'log'), JSON.stringify(args) + '\\n');
const mode = fs.existsSync(path.join(home, 'mode')) ? fs.readFileSync(path.join(home, 'mode'), 'utf8') : '';
const fail = (code, text) => { console.error(text); process.exit(code); };
if (mode === 'no daemon') fail(args[0] === 'run' ? 125 : 1, 'docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?');
const values = (name) => args.flatMap((arg, index) => (arg === name ? [args[index + 1]] : []));
const file = (name) => path.join(state, name + '.json');
const all = () => fs.readdirSync(state).map((name) => JSON.parse(fs.readFileSync(path.join(state, name), 'utf8')));
switch (args[0]) {
  case 'image':
    if (mode === 'no image') fail(1, 'Error: No such image: ' + args[2]);
    process.exit();
  case 'ps':
    for (const one of all()) console.log(one.name, one.labels['durable-copilot.owner'], one.labels['durable-copilot.until']);
    process.exit();
  case 'inspect':
    console.log(mode === 'out of memory');
    process.exit();
  case 'rm':
    for (const one of all().filter(({ name }) => args.includes(name))) {
      try { process.kill(-one.pid, 'SIGKILL'); } catch {}
      fs.rmSync(file(one.name), { force: true });
    }
    process.exit();
  case 'run': {
    if (mode === 'no interpreter') fail(127, 'docker: exec: "python3": executable file not found in $PATH');
    if (mode === 'no image') fail(125, "docker: Error response from daemon: No such image: node:24");
    const at = args.indexOf('--entrypoint') + 2;
    const source = /source=([^,]+)/.exec(values('--mount')[0])[1];
    const inside = (text) => text.replaceAll('/workspace', source);
    const [program, ...rest] = args.slice(at + 1).map(inside);
    const child = spawn(program, rest, { cwd: source, stdio: 'inherit', detached: true, env: { PATH: process.env.PATH, HOME: source, TMPDIR: '/tmp' } });
    child.on('error', () => fail(127, 'docker: exec: "' + program + '": executable file not found in $PATH'));
    const labels = Object.fromEntries(values('--label').map((label) => label.split('=')));
    fs.writeFileSync(file(values('--name')[0]), JSON.stringify({ name: values('--name')[0], pid: child.pid, labels }));
    child.on('exit', (code) => process.exit(code ?? 137));
  }
}
`;

export interface FakeDocker {
  /** Path of the program. */
  readonly program: string;
  /** Arguments of all its runs. */
  calls(): Promise<string[][]>;
  /** Names of the containers that are there. */
  containers(): Promise<string[]>;
  /** A container that somebody else made, and whose process is not of this test. */
  add(container: { name: string; owner: string; until: number; pid?: number }): Promise<void>;
  fail(mode: 'no daemon' | 'no image' | 'no interpreter' | 'out of memory' | ''): Promise<void>;
}

/** @param folder is made; the program in it is called `docker` */
export async function fakeDocker(folder: string): Promise<FakeDocker> {
  const program = join(folder, 'docker');
  const state = join(folder, 'containers');
  await mkdir(state, { recursive: true });
  await writeFile(program, PROGRAM);
  await chmod(program, 0o755);
  await writeFile(join(folder, 'log'), '');
  return {
    program,
    calls: async () =>
      (await readFile(join(folder, 'log'), 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as string[]),
    containers: async () => (await readdir(state)).map((name) => name.replace(/\.json$/, '')),
    add: async ({ name, owner, until, pid = 2 ** 22 + 1 }) => {
      const labels = { 'durable-copilot.owner': owner, 'durable-copilot.until': String(until) };
      await writeFile(join(state, `${name}.json`), JSON.stringify({ name, pid, labels }));
    },
    fail: (mode) => writeFile(join(folder, 'mode'), mode),
  };
}
