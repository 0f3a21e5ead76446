/** Real team folders for tests, and definitions made from them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { loadTeam } from '../../../../src/agents/files/load-team.ts';
import type { ResolvedTeam } from '../../../../src/contracts/team.ts';
import type { Models } from '../../../../src/models/providers.ts';
import { builtInTools as tools } from '../../../../src/tools/registry.ts';

export const TEAM = `description: A small team
model: gpt-4.1-mini
routing:
  agent: router
planning:
  agent: planner
answering:
  agent: writer
`;

/** A valid team; every test changes what it is about. */
export const FILES: Readonly<Record<string, string>> = {
  'team.yaml': TEAM,
  'router.yaml': 'description: Routes\ninstructions: Route it.\n',
  'planner.yaml': 'description: Plans\ninstructions: Plan it.\n',
  'writer.yaml': `name: Writer
description: Writes
instructions: |
  You write about {{topic}}.
model: gpt-4.1
temperature: 0.5
tools: [read_file, write_file]
handoffs: [planner]
`,
};

const folders: string[] = [];

/** A new agents folder with one team `small`. */
export async function agentsFolder(
  changes: Readonly<Record<string, string | Buffer | undefined>> = {},
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'copilot-agents-'));
  folders.push(folder);
  await mkdir(join(folder, 'small'));
  for (const [name, content] of Object.entries({ ...FILES, ...changes })) {
    if (content !== undefined) await writeFile(join(folder, 'small', name), content);
  }
  return folder;
}

export async function removeFolders(): Promise<void> {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
}

/** The small team as it is loaded. */
export async function smallTeam(changes: Readonly<Record<string, string>> = {}): Promise<ResolvedTeam> {
  return await loadTeam(await agentsFolder(changes), 'small', tools);
}

/** Models that are never called and know whether they were closed. */
export function idleModels(close: () => Promise<void> = () => Promise.resolve()): Models & { readonly closed: number } {
  let closed = 0;
  return {
    model: (id) => ({ id, reply: () => Promise.reject(new Error('this test calls no model')) }),
    close: () => {
      closed += 1;
      return close();
    },
    get closed() {
      return closed;
    },
  };
}

/** A logger whose lines can be read. */
export function recordingLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { log, lines };
}
