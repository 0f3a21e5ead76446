/** What an exported session would be allowed by its own word, and the same session without it. */
import type { TeamInspection } from '../../contracts/activities.ts';
import { digestOf } from '../../contracts/digest.ts';
import type { SessionExport } from '../../contracts/export.ts';
import type { Json } from '../../contracts/json.ts';
import type { Approvals, McpServer, ResolvedTeam, TeamDefinition } from '../../contracts/team.ts';

/** Something in a file that whoever wrote it decided for whoever imports it. */
export interface ImportGrant {
  /** Its path in the file, such as `config.approvals.tools.shell`. */
  readonly what: string;
  readonly value: Json;
  /** What it would do. */
  readonly why: string;
  /** Whether `trust` takes it over. A tool that the worker does not have is left out in any case. */
  readonly isTrustable: boolean;
}

type Note = (what: string, value: Json, why: string, isTrustable?: boolean) => void;

/**
 * The file without what it would grant, and the list of that. What makes a session more careful stays.
 * @param inspection of its team; undefined if no worker could be asked: then unknown tools stay, which no worker runs
 */
export function withoutGrants(
  file: SessionExport,
  inspection: TeamInspection | undefined,
): { readonly file: SessionExport; readonly grants: readonly ImportGrant[] } {
  const grants: ImportGrant[] = [];
  const note: Note = (what, value, why, isTrustable = true) => grants.push({ what, value, why, isTrustable });
  const { allowCode, workspace, approvals, ...config } = file.session.config;
  if (allowCode === true) note('session.config.allowCode', true, 'code runs without asking');
  if (workspace !== undefined) note('session.config.workspace', workspace, 'tools read and write in this folder');
  const careful = approvals && carefulApprovals(approvals, 'session.config.approvals', note, true);
  const session = {
    ...file.session,
    config: {
      ...config,
      ...(allowCode === false ? { allowCode } : {}),
      ...(careful === undefined || Object.keys(careful).length === 0 ? {} : { approvals: careful }),
    },
  };
  const team = inspection?.isOwn ? file.team : carefulTeam(file.team, inspection, note);
  return { file: { ...file, session, team }, grants };
}

/** The file as it is, except for built-in tools that the worker does not have: a team that names them does not open. */
export function withoutMissingTools(file: SessionExport, { facts }: Pick<TeamInspection, 'facts'>): SessionExport {
  const { definition } = file.team;
  const isThere = (tool: string) => tool.includes('.') || Object.hasOwn(facts, tool);
  const agents = Object.entries(definition.agents).map(([id, agent]) => [
    id,
    agent.tools.every(isThere) ? agent : { ...agent, tools: agent.tools.filter(isThere) },
  ]);
  const known: TeamDefinition = {
    ...definition,
    agents: Object.fromEntries(agents) as TeamDefinition['agents'], // the same keys
    tools: Object.fromEntries(Object.entries(definition.tools).filter(([name]) => isThere(name))),
  };
  return { ...file, team: withDefinition(file.team, known) };
}

/** The team with another definition. An equal one keeps the digest of the file, which covers it without defaults. */
function withDefinition(team: ResolvedTeam, definition: TeamDefinition): ResolvedTeam {
  const isSame = digestOf(definition) === digestOf(team.definition);
  return isSame ? team : { digest: digestOf(definition), definition };
}

/**
 * Approvals without what allows something.
 * @param isOverride whether they stand above others, so that `false` switches these off
 */
function carefulApprovals(
  { tools = {}, rules = {}, ...asked }: Approvals,
  path: string,
  note: Note,
  isOverride: boolean,
): Approvals {
  // Entries of optional keys are only left out, so what remains has the type of the whole.
  const keep = <T extends object>(part: string, values: T, why: string) =>
    Object.fromEntries(
      Object.entries(values).filter(([name, value]) => {
        if (value !== 'allow' && (value !== false || !isOverride)) return true;
        note(`${path}${part}.${name}`, value, why);
        return false;
      }),
    ) as T;
  const keptTools = keep('.tools', tools, 'calls of this category run without asking');
  const keptRules = keep('.rules', rules, 'calls that this rule matches run without asking');
  return {
    ...keep('', asked, 'people are not asked'),
    ...(Object.keys(keptTools).length > 0 ? { tools: keptTools } : {}),
    ...(Object.keys(keptRules).length > 0 ? { rules: keptRules } : {}),
  };
}

function carefulTeam(team: ResolvedTeam, inspection: TeamInspection | undefined, note: Note): ResolvedTeam {
  let definition = withCarefulPolicies(team.definition, note);
  if (inspection) definition = withKnownTools(definition, inspection, note);
  return withDefinition(team, definition);
}

function withCarefulPolicies(definition: TeamDefinition, note: Note): TeamDefinition {
  const { approvals, modes } = definition;
  const path = 'team.definition';
  const careful = Object.entries(modes).map(([name, mode]) => [
    name,
    mode.approvals === undefined
      ? mode
      : { ...mode, approvals: carefulApprovals(mode.approvals, `${path}.modes.${name}.approvals`, note, true) },
  ]);
  return {
    ...definition,
    ...(approvals === undefined ? {} : { approvals: carefulApprovals(approvals, `${path}.approvals`, note, false) }),
    modes: Object.fromEntries(careful) as TeamDefinition['modes'], // the same keys
  };
}

/** Agents keep the tools that the worker knows, with the worker's own facts. */
function withKnownTools(definition: TeamDefinition, inspection: TeamInspection, note: Note): TeamDefinition {
  const { facts, untrusted } = inspection;
  const path = 'team.definition';
  const servers: [string, McpServer][] = Object.entries(definition.mcp ?? {});
  for (const [name] of servers.filter(([id]) => untrusted.includes(id))) {
    note(`${path}.mcp.${name}`, name, 'the worker does not open this server');
  }
  const isKnown = (tool: string) =>
    tool.includes('.') ? !untrusted.includes(tool.slice(0, tool.indexOf('.'))) : Object.hasOwn(facts, tool);
  const agents = Object.entries(definition.agents).map(([id, agent]) => {
    const unknown = agent.tools.filter((tool) => !isKnown(tool));
    for (const tool of unknown) {
      note(`${path}.agents.${id}.tools`, tool, 'the worker does not have this tool', tool.includes('.'));
    }
    return [id, unknown.length === 0 ? agent : { ...agent, tools: agent.tools.filter(isKnown) }] as const;
  });
  const tools = Object.entries(definition.tools).flatMap(([name, said]) => {
    const own = Object.hasOwn(facts, name) ? facts[name] : undefined;
    if (!own) return [];
    const { category, effects } = own;
    if (said.category !== category || said.effects !== effects) {
      note(
        `${path}.tools.${name}`,
        { category: said.category, effects: said.effects },
        `it is ${category}, ${effects}`,
      );
    }
    return [[name, own] as const];
  });
  const kept = servers.filter(([id]) => !untrusted.includes(id));
  const { mcp: _, ...rest } = definition;
  return {
    ...rest,
    ...(kept.length === 0 ? {} : { mcp: Object.fromEntries(kept) }),
    agents: Object.fromEntries(agents),
    tools: Object.fromEntries(tools),
  };
}
