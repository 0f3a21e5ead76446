/**
 * Reads a team: `agents/<team>/team.yaml`, and every other `*.yaml` beside it as one agent whose id is the file's name.
 * The result is one plain definition with a digest. Problems are reported with file and line.
 */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import {
  type AgentDefinition,
  AgentFile,
  Name,
  type ResolvedTeam,
  type TeamDefinition,
  TeamFile,
} from '../../contracts/team.ts';
import { findPatternProblem } from '../../contracts/rule-patterns.ts';
import { parseRule } from '../../contracts/rules.ts';
import { definedTool, type DescribedTool } from '../../tools/facts.ts';
import { splitName } from '../../tools/mcp/names.ts';
import { nearest } from '../../tools/nearest.ts';
import { canonicalJson, digestOf } from '../../contracts/digest.ts';
import { openOutput } from './output-form.ts';
import { folderOf, isMissing, listFolder, listTeams, TEAM_FILE, type TeamFolders } from './team-folders.ts';
import { compileTemplate, TemplateError } from './template.ts';
import {
  parseYaml,
  type Problem,
  sortByLine,
  unknownName,
  unusable,
  type Written,
  type YamlFile,
} from './yaml-file.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

/** Largest YAML file. */
export const MAX_FILE_BYTES = 256 * 1024;
/** Maximum number of agents. Router and planner read all their descriptions. */
const MAX_AGENTS = 64;
/** Largest definition as JSON. Every session of the team carries it through continue-as-new. */
const MAX_DEFINITION_BYTES = 256 * 1024;

/**
 * @param tools all tools by name
 * @throws CopilotError `TeamNotFound`; `InvalidTeam` with the first problem and the number of others
 */
export async function loadTeam(
  folders: TeamFolders,
  team: string,
  tools: ReadonlyMap<string, DescribedTool>,
): Promise<ResolvedTeam> {
  // The name becomes a path, so it is checked first.
  const folder = Name.safeParse(team).success ? folderOf(folders, team) : undefined;
  const files = await listFiles(folder);
  if (folder === undefined || !files) {
    const known = (await listTeams(folders)).join(', ');
    throw new CopilotError('TeamNotFound', { team: beginningOf(team, 100), known: known === '' ? 'none' : known });
  }
  checkFileNames(team, files);
  const ids = files.filter((file) => file !== TEAM_FILE).map((file) => file.slice(0, -'.yaml'.length));

  const teamFile = await readYaml(folder, TEAM_FILE, TeamFile);
  const agentFiles = new Map<string, YamlFile<AgentFile>>();
  for (const id of ids) agentFiles.set(id, await readYaml(folder, `${id}.yaml`, AgentFile));

  const servers = teamFile.value && Object.keys(teamFile.value.mcp ?? {});
  const known = { tools, ...(servers ? { servers } : {}) };
  failOn([
    ...sortByLine([...checkRoles(teamFile, ids), ...checkRules(teamFile, known), ...teamFile.problems]),
    ...[...agentFiles].flatMap(([id, file]) => sortByLine([...checkAgent(id, file, ids, known), ...file.problems])),
  ]);
  const definition = define(team, teamFile, agentFiles, tools);
  const bytes = Buffer.byteLength(canonicalJson(definition));
  if (bytes > MAX_DEFINITION_BYTES) {
    const text = `the team has ${bytes} bytes as JSON, and the limit is ${MAX_DEFINITION_BYTES}; shorten its instructions`;
    failOn([{ file: `${team}/${TEAM_FILE}`, line: 1, text }]);
  }
  return { digest: digestOf(definition), definition };
}

/** The team's file, then its agents' files by name; undefined if the folder does not exist. */
async function listFiles(folder: string | undefined): Promise<string[] | undefined> {
  const names = folder === undefined ? undefined : await listFolder(folder);
  const agents = names?.filter((name) => /\.ya?ml$/i.test(name) && !name.startsWith('.') && name !== TEAM_FILE);
  return agents && [TEAM_FILE, ...agents.sort()];
}

function checkFileNames(team: string, files: readonly string[]): void {
  const problems = files.flatMap((file): Problem[] => {
    const at = { file: `${team}/${file}`, line: 1 };
    if (!file.endsWith('.yaml')) return [{ ...at, text: 'the name must end with ".yaml"' }];
    const name = Name.safeParse(file.slice(0, -'.yaml'.length));
    return name.success
      ? []
      : [{ ...at, text: `an agent's id is the name of its file: ${name.error.issues[0]?.message}` }];
  });
  if (files.length - 1 > MAX_AGENTS) {
    problems.push({
      file: `${team}/${TEAM_FILE}`,
      line: 1,
      text: `the team has ${files.length - 1} agents, and the limit is ${MAX_AGENTS}`,
    });
  }
  failOn(problems);
}

async function readYaml<S extends z.ZodType>(folder: string, name: string, schema: S): Promise<YamlFile<z.output<S>>> {
  const text = await readText(join(folder, name));
  const file = `${basename(folder)}/${name}`;
  return typeof text === 'string' ? parseYaml(file, text, schema) : unusable([{ file, line: 1, text: text.problem }]);
}

async function readText(path: string): Promise<string | { problem: string }> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK a named pipe would block the worker.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return {
      problem: isMissing(error) ? 'the file is missing' : `it cannot be read: ${(error as NodeJS.ErrnoException).code}`,
    };
  }
  try {
    if (!(await handle.stat()).isFile()) return { problem: 'it is not a file' };
    // Reads one byte more than the limit. The reported size of files in /proc and of growing files is wrong.
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = (await handle.read(buffer, length, buffer.length - length)).bytesRead;
    }
    if (length > MAX_FILE_BYTES) return { problem: `it is larger than ${MAX_FILE_BYTES / 1024} KiB` };
    return new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length));
  } catch (error) {
    return { problem: error instanceof TypeError ? 'it is not UTF-8 text' : 'it cannot be read' };
  } finally {
    await handle.close();
  }
}

/** Checks the agents that the team gives a role. */
function checkRoles(file: YamlFile<TeamFile>, ids: readonly string[]): Problem[] {
  const roles = [
    ['routing', 'agent'],
    ['planning', 'agent'],
    ['planning', 'reviewer'],
    ['answering', 'agent'],
  ];
  return checkNames(
    'agent',
    roles.flatMap((path) => file.textAt(path) ?? []),
    ids,
  );
}

/** Checks the rules of the team and of its modes: a rule with a mistake would never match, and nobody would notice. */
function checkRules(file: YamlFile<TeamFile>, known: KnownTools): Problem[] {
  const { approvals, modes = {} } = file.value ?? {};
  const places = [
    { path: ['approvals', 'rules'], rules: approvals?.rules },
    ...Object.entries(modes).map(([name, mode]) => ({
      path: ['modes', name, 'approvals', 'rules'],
      rules: mode.approvals?.rules,
    })),
  ];
  return places.flatMap(({ path, rules = {} }) =>
    Object.keys(rules).flatMap((rule): Problem[] => {
      const place = file.placeOf([...path, rule]);
      const { tool = rule, pattern } = parseRule(rule) ?? {};
      const unknown = checkTools([{ ...place, text: tool, literal: false }], known);
      const kind = known.tools.get(tool)?.subject?.kind;
      const problem = pattern === undefined ? undefined : findPatternProblem(tool, kind, pattern);
      return unknown.length > 0 || problem === undefined ? unknown : [{ ...place, text: `rule "${rule}": ${problem}` }];
    }),
  );
}

/** What an agent's list of tools may name. */
interface KnownTools {
  readonly tools: ReadonlyMap<string, DescribedTool>;
  /** MCP servers; undefined if the team's file is invalid. */
  readonly servers?: readonly string[];
}

function checkAgent(id: string, file: YamlFile<AgentFile>, ids: readonly string[], known: KnownTools): Problem[] {
  const used = file.textsAt(['tools']);
  const handoffs = file.textsAt(['handoffs']);
  return [
    ...checkTools(used, known),
    ...checkNames('agent', handoffs, ids),
    ...handoffs
      .filter(({ text }) => text === id)
      .map(({ file: name, line }) => ({ file: name, line, text: 'an agent cannot hand off to itself' })),
    ...checkTwice(used),
    ...checkTwice(handoffs),
    ...checkTemplate(file.textAt(['instructions'])),
    ...checkOutput(file),
  ];
}

/** Checks names of tools. Of MCP tools only the server is checked, because its tools are known only when it runs. */
function checkTools(used: readonly Written[], { tools, servers }: KnownTools): Problem[] {
  return used.flatMap(({ file, line, text }): Problem[] => {
    const name = splitName(text);
    if (!name && tools.has(text)) return [];
    if (!name) {
      const named = [...tools.keys(), ...(servers ?? []).map(allOf)];
      const where = nearest(text, named) === undefined ? OWN_TOOLS : '';
      return [{ file, line, text: unknownName('tool', text, named) + where }];
    }
    if (servers && !servers.includes(name.server)) {
      return [
        {
          file,
          line,
          text: `${unknownName('MCP server', name.server, servers)} (in the tool "${beginningOf(text, 100)}")`,
        },
      ];
    }
    return name.tool === '' ? [{ file, line, text: `"${text}" names no tool; "${allOf(name.server)}" names all` }] : [];
  });
}

/** A worker without the config file of the others knows fewer tools. */
const OWN_TOOLS = '; one of your own must be in `tools` of copilot.config.ts, where the worker starts';

const allOf = (server: string): string => `${server}.*`;

function checkNames(what: string, written: readonly Written[], known: readonly string[]): Problem[] {
  const unknown = written.filter(({ text }) => !known.includes(text));
  return unknown.map(({ file, line, text }) => ({ file, line, text: unknownName(what, text, known) }));
}

function checkTwice(written: readonly Written[]): Problem[] {
  const repeated = written.filter(({ text }, index) => written.findIndex((other) => other.text === text) < index);
  return repeated.map(({ file, line, text }) => ({ file, line, text: `"${text}" is listed twice` }));
}

function checkTemplate(instructions: Written | undefined): Problem[] {
  if (!instructions) return [];
  try {
    compileTemplate(instructions.text);
    return [];
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    // Only the lines of a `|` text match the template's lines. They start below the key.
    const line = instructions.line + (instructions.literal ? error.line : 0);
    return [{ file: instructions.file, line, text: `instructions: ${error.message}` }];
  }
}

function checkOutput(file: YamlFile<AgentFile>): Problem[] {
  const schema = file.value?.output;
  if (schema === undefined) return [];
  try {
    openOutput(schema);
    return [];
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return [{ ...file.placeOf(['output']), text: `output: ${error.message}` }];
  }
}

function failOn(problems: readonly Problem[]): void {
  const [first, ...others] = problems;
  if (!first) return;
  const more = others.length === 0 ? '' : ` (and ${others.length} more problem${others.length === 1 ? '' : 's'})`;
  throw new CopilotError('InvalidTeam', { file: first.file, line: first.line, problem: first.text + more });
}

/** Combines the checked files. */
function define(
  name: string,
  teamFile: YamlFile<TeamFile>,
  agentFiles: ReadonlyMap<string, YamlFile<AgentFile>>,
  tools: ReadonlyMap<string, DescribedTool>,
): TeamDefinition {
  const agents: Record<string, AgentDefinition> = {};
  const used: TeamDefinition['tools'] = {};
  for (const [id, { value }] of agentFiles) {
    if (!value) throw new Error(`agent ${id} has problems that were not reported`);
    agents[id] = {
      ...value,
      id,
      name: value.name ?? id,
      variables: [...compileTemplate(value.instructions).variables],
    };
    for (const tool of value.tools) {
      const facts = tools.get(tool);
      if (facts) used[tool] = definedTool(facts);
    }
  }
  if (!teamFile.value) throw new Error(`team ${name} has problems that were not reported`);
  return { schemaVersion: 1, name, ...teamFile.value, agents, tools: used };
}
