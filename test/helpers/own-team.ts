/** Team folders of a test's own, for workers that read them by `COPILOT_AGENTS_DIR`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { AgentFile, TeamFile } from '../../src/contracts/team.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';

/** Agents of every team here, by what {@link playTeam} names: what a test gives for one replaces its keys. */
const AGENTS: Readonly<Record<string, z.input<typeof AgentFile>>> = {
  router: { description: 'Routes.', instructions: 'Route it.' },
  planner: { description: 'Plans.', instructions: 'Plan it.' },
  'plan-reviewer': { description: 'Reviews plans.', instructions: 'Review it.' },
  engineer: {
    description: 'Changes files.',
    instructions: 'I am the engineer.',
    tools: ['list_files', 'read_file', 'write_file'],
  },
  writer: { description: 'Writes.', instructions: 'I am the writer.', tools: ['read_file', 'write_file'] },
};

const TEAM: z.input<typeof TeamFile> = {
  description: 'A team of a test.',
  model: 'test',
  routing: { agent: 'router' },
  planning: { agent: 'planner', reviewer: 'plan-reviewer', reviewFrom: 1 },
  answering: { agent: 'writer' },
};

export interface TeamChanges {
  /** Keys of `team.yaml`. */
  readonly team?: Partial<z.input<typeof TeamFile>>;
  /** Keys of single agents; agents that are new need a description and instructions. */
  readonly agents?: Readonly<Record<string, Partial<z.input<typeof AgentFile>>>>;
}

/** Writes `<agentsDir>/<name>/*.yaml`. JSON is YAML, too. */
export async function writeTeam(agentsDir: string, name: string, changes: TeamChanges = {}): Promise<void> {
  const folder = join(agentsDir, name);
  await mkdir(folder, { recursive: true });
  const { team = {}, agents = {} } = changes;
  const ids = new Set([...Object.keys(AGENTS), ...Object.keys(agents)]);
  const files = [
    ['team', { ...TEAM, ...team }] as const,
    ...[...ids].map((id) => [id, { ...AGENTS[id], ...agents[id] }] as const),
  ];
  for (const [file, content] of files)
    await writeFile(join(folder, `${file}.yaml`), `${JSON.stringify(content, undefined, 2)}\n`);
}

/** A world whose workers know these teams and no others. */
export async function startWorldOf(
  teams: Readonly<Record<string, TeamChanges>>,
  options: WorldOptions = {},
): Promise<World> {
  return await startWorld({
    ...options,
    writeTeams: async (agentsDir) => {
      for (const [name, changes] of Object.entries(teams)) await writeTeam(agentsDir, name, changes);
    },
  });
}
