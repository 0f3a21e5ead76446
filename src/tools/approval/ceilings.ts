/** What a worker never runs, whatever a session, a team or a person says. */
import { CopilotError } from '../../contracts/errors.ts';
import { namesTool } from '../../contracts/rules.ts';
import { ToolCategory } from '../../contracts/team.ts';
import type { ToolFacts } from '../../contracts/tool.ts';
import { splitName } from '../mcp/names.ts';
import { nearest } from '../nearest.ts';
import type { Tools } from '../registry.ts';

/** Categories, names of tools, and `server.tool` or `server.*` for those of MCP servers. */
export type Ceilings = readonly string[];

/**
 * The ceilings of environment and config file together.
 * @throws CopilotError `InvalidConfig` for a name that no category or tool has
 */
export function ceilingsOf(tools: Tools, denyTools: Ceilings, configured: Ceilings = []): Ceilings {
  const known = [...ToolCategory.options, ...tools.keys()];
  return [
    ...checkNames(denyTools, known, 'COPILOT_DENY_TOOLS'),
    ...checkNames(configured, known, 'ceilings.deny in copilot.config'),
  ];
}

/** A ceiling with a mistake in its name would hold nothing back. */
function checkNames(names: Ceilings, known: readonly string[], where: string): Ceilings {
  for (const name of names) {
    const { tool } = splitName(name) ?? {};
    if (known.includes(name) || (tool !== undefined && tool !== '')) continue;
    const near = nearest(name, known);
    const hint =
      near === undefined
        ? `use ${ToolCategory.options.join(', ')}, names of tools, or server.*`
        : `did you mean "${near}"?`;
    throw new CopilotError('InvalidConfig', {
      name: where,
      value: names.join(','),
      problem: `there is no category or tool "${name}"; ${hint}`,
    });
  }
  return names;
}

/** The ceiling that is above this tool, or undefined. */
export function findCeiling(
  ceilings: Ceilings,
  { name, category }: Pick<ToolFacts, 'name' | 'category'>,
): string | undefined {
  return ceilings.find((ceiling) => ceiling === category || namesTool(ceiling, name));
}

/** What agents and people are told. */
export function ceilingReason(ceiling: string): string {
  return `this worker never runs "${ceiling}": its operator denies it (COPILOT_DENY_TOOLS or ceilings in copilot.config.ts), and no approval can lift that`;
}
