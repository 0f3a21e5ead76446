/**
 * Records the histories of test/replay/histories anew: plays every recording of test/replay/recordings on a Temporal
 * server, several side by side, and stores the first and the last run of each session. Other files are removed.
 *
 *   npm run histories                 all
 *   npm run histories -- NAME…        only these
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { CopilotClient } from '../src/client.ts';
import { packageDir } from '../src/package-info.ts';
import { type HistoryEvent, runHistories, until } from '../test/helpers/history.ts';
import type { RecordedRequest } from '../test/helpers/model-server.ts';
import { writeTeam } from '../test/helpers/own-team.ts';
import { Stranger } from '../test/helpers/raw-messages.ts';
import { isolatedConfig, temporaryFolder } from '../test/helpers/server.ts';
import { type TeamScript, teamResponder } from '../test/helpers/team-script.ts';
import { startWorld, type World } from '../test/helpers/world.ts';
import { fileNames, type Recording, recordingOf, type Stage } from '../test/replay/recorder.ts';
import { recordings } from '../test/replay/recordings/all.ts';

/** Recordings that play side by side. */
const CONCURRENCY = 8;
/** The longest one waits two minutes for an archive that fails. */
const RECORDING_TIMEOUT_MS = 600_000;
/** Fields of events that name the machine, or that only the server uses. A replay does without. */
const LEFT_OUT = ['taskId', 'identity', 'requestId', 'workerVersion', 'stackTrace', 'meteringMetadata'];
const FOLDER = join(packageDir, 'test/replay/histories');

const names = process.argv.slice(2);
const unknown = names.filter((name) => !recordings.some((recording) => recording.name === name));
if (unknown.length > 0) throw new Error(`There is no recording ${unknown.join(', ')}; see test/replay/recordings.`);
const chosen = recordings.filter(({ name }) => names.length === 0 || names.includes(name));

const agentsDir = await temporaryFolder();
for (const { name, team = {} } of chosen)
  await writeTeam(agentsDir, name, { ...team, team: { ...team.team, model: name } });
const env = { COPILOT_AGENTS_DIR: agentsDir, AGENT_CACHE_SIZE: '200', COPILOT_WEBHOOK_PRIVATE: '1' };
const world = await startWorld({ workers: chosen.some(({ ownWorkers }) => !ownWorkers) ? 1 : 0, env });
/** By recording. */
const scripts = new Map<string, TeamScript>();
let failed = 0;
try {
  // An override of an agent's model has a suffix.
  const scriptOf = (model: string): TeamScript => scripts.get(model.replace(/:.*/, '')) ?? {};
  world.model.respond((request) => teamResponder(scriptOf(request.model))(request));
  await mkdir(FOLDER, { recursive: true });
  // Those that wait longest begin first.
  const left = chosen.toSorted((a, b) => Number(b.ownWorkers ?? false) - Number(a.ownWorkers ?? false));
  const stored: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) stored.push(...(await play(next)));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  console.log(`${stored.length} histories of ${chosen.length} recordings, ${failed} failed`);
  if (failed === 0) await removeOthers(stored);
} finally {
  await world.stop();
  await rm(agentsDir, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);

/** @returns names of the stored files */
async function play(recording: Recording): Promise<string[]> {
  const { name } = recording;
  const startedAt = Date.now();
  const { stage, close } = await openStage(world, recording);
  try {
    await Promise.race([recording.perform(stage), timeout()]);
    const files = await store(name);
    console.log(`✓ ${name} (${Date.now() - startedAt} ms)`);
    return files;
  } catch (error) {
    failed += 1;
    console.error(`✗ ${name}: ${error instanceof Error ? error.stack : String(error)}`);
    return [];
  } finally {
    await close();
  }
}

async function openStage({ server, temporal, model, copilot }: World, { name, script = {}, ownWorkers }: Recording) {
  scripts.set(name, script);
  const queue = ownWorkers ? { COPILOT_TASK_QUEUE: name } : undefined;
  const client = queue
    ? await CopilotClient.connect({ config: isolatedConfig(server.homeDir, queue), address: server.address })
    : copilot;
  const workers: { kill(): Promise<void> }[] = [];
  const stage: Stage = {
    name,
    server,
    temporal,
    copilot: client,
    stranger: new Stranger(temporal),
    play: (replacement) => void scripts.set(name, replacement),
    requests: (): RecordedRequest[] => model.requests.filter(({ body }) => body.model.replace(/:.*/, '') === name),
    create: (options = {}) => client.create({ id: name, team: name, mode: 'one-shot', ...options }),
    startWorker: async (changes) => {
      if (!queue) throw new Error(`Recording ${name} has no workers of its own.`);
      const worker = await world.startWorker({ ...queue, ...changes });
      workers.push(worker);
      return worker;
    },
  };
  const close = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.kill()));
    if (queue) await client.close();
  };
  return { stage, close };
}

async function timeout(): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, RECORDING_TIMEOUT_MS).unref());
  throw new Error(`It has not ended after ${RECORDING_TIMEOUT_MS / 1_000} s.`);
}

/** Stores the first and the last run of the workflow with this id. @returns names of the files */
async function store(name: string): Promise<string[]> {
  const handle = world.temporal.workflow.getHandle(name);
  await until('the end of its workflow task', async () => !(await handle.describe()).raw.pendingWorkflowTask);
  const runs: HistoryEvent[][] = [];
  for await (const run of runHistories(world.temporal, name)) runs.push(run);
  const files = fileNames(name, runs.length);
  for (const [index, file] of files.entries()) await writeFile(join(FOLDER, file), `${jsonOf(runs[index] ?? [])}\n`);
  return files;
}

function jsonOf(events: HistoryEvent[]): string {
  const json: unknown = JSON.parse(historyToJSON({ events }));
  return JSON.stringify(json, (key, value: unknown) => (LEFT_OUT.includes(key) ? undefined : value)).replaceAll(
    packageDir + sep,
    '',
  );
}

async function removeOthers(stored: readonly string[]): Promise<void> {
  for (const file of await readdir(FOLDER)) {
    const isReplaced = names.length === 0 || names.includes(recordingOf(file));
    if (isReplaced && !stored.includes(file)) await rm(join(FOLDER, file));
  }
}
