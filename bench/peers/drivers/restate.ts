/** Restate: its server with a store of its own, and a conversation as a virtual object. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@restatedev/restate-sdk-clients';
import { freePort } from '../../../test/helpers/ports.ts';
import { startScript } from '../../script.ts';
import { servePeer } from '../driver.ts';
import type { Conversation } from '../services/restate-service.ts';

const READY_TIMEOUT_MS = 60_000;
const DEFINITION: Conversation = { name: 'conversation' };

await servePeer(async (modelUrl) => {
  const [ingress, admin, node, service] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const server = await startServer({ ingress, admin, node });
  const script = 'peers/services/restate-service.ts';
  const worker = await startScript(script, [String(service), modelUrl], /restate service (ready)/);
  await register(admin, `http://127.0.0.1:${service}`);
  const client = connect({ url: `http://127.0.0.1:${ingress}` });
  const conversation = (id: string) => client.objectClient(DEFINITION, id);
  return {
    create: async () => {
      const id = randomUUID();
      await conversation(id).open();
      return id;
    },
    send: async (id, text) => await conversation(id).send(text),
    pids: { application: [worker.pid], servers: [server.pid] },
    close: async () => {
      await worker.stop();
      await server.stop();
    },
  };
});

async function startServer(ports: { ingress: number; admin: number; node: number }) {
  const folder = await mkdtemp(join(tmpdir(), 'copilot-restate-'));
  const child = spawn(serverProgram(), ['--no-logo'], {
    cwd: folder,
    env: {
      RESTATE_BASE_DIR: folder,
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_BIND_IP: '127.0.0.1',
      RESTATE_BIND_PORT: String(ports.node),
      RESTATE_INGRESS__BIND_PORT: String(ports.ingress),
      RESTATE_ADMIN__BIND_PORT: String(ports.admin),
      RESTATE_DISABLE_TELEMETRY: 'true',
    },
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  return {
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** That of this system, which npm installs beside the package. */
function serverProgram(): string {
  const require = createRequire(import.meta.url);
  const name = `@restatedev/restate-server-${process.platform}-${process.arch}/package.json`;
  return join(dirname(require.resolve(name)), 'bin/restate-server');
}

async function register(admin: number, uri: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const isDone = await fetch(`http://127.0.0.1:${admin}/deployments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ uri }),
    }).then(
      (response) => response.ok,
      () => false,
    );
    if (isDone) return;
    if (Date.now() > deadline) throw new Error('Restate did not take the service.');
    await sleep(200);
  }
}
