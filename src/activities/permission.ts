/** Whether this worker runs a call of a tool, judged at the moment it would run. */
import type { RunToolInput } from '../contracts/activities.ts';
import type { TeamDefinition } from '../contracts/team.ts';
import { judgeCall, type JudgeOptions } from '../tools/approval/judge.ts';

/** The call is not run. The message is for agents and people. */
export class CallRefused extends Error {
  override readonly name = 'CallRefused';
}

export interface CallPlace extends Pick<JudgeOptions, 'ceilings' | 'tools' | 'session' | 'workspace'> {
  /** Of the team, for tools of its MCP servers. */
  readonly definition?: Pick<TeamDefinition, 'mcp' | 'agents'>;
}

/**
 * The worker that asked the model has judged the call before. This one may have other ceilings, and since then the
 * policies, the workspace or the arguments may have changed.
 * @throws CallRefused
 */
export async function requirePermission(
  { tool, arguments: text, policies, isApproved }: RunToolInput,
  { definition = { agents: {} }, ...place }: CallPlace,
): Promise<void> {
  const judged = await judgeCall({ name: tool, arguments: text }, { definition, policies, ...place });
  // A tool that does not exist says so itself, with the names of those that do.
  if (!judged || judged.policy === 'allow' || (judged.policy === 'ask' && isApproved)) return;
  throw new CallRefused(judged.reason ?? 'a person has to approve it now. Call it again, and they are asked');
}

/** Whether a call for one URL may go on to another: if the policies allow that one too, or, approved, on the same site. */
export function followWith(
  { tool, policies, isApproved }: RunToolInput,
  place: CallPlace,
): (from: URL, to: URL) => Promise<boolean> {
  return async (from, to) => {
    const call = { name: tool, arguments: JSON.stringify({ url: to.href }) };
    const judged = await judgeCall(call, { definition: { agents: {} }, policies, ...place });
    if (!judged || judged.policy === 'allow') return true;
    return judged.policy === 'ask' && isApproved && isSameSite(from, to);
  };
}

/** The same host and port, or the same host with TLS on its usual port. */
function isSameSite(from: URL, to: URL): boolean {
  return to.origin === from.origin || (to.protocol === 'https:' && to.port === '' && to.hostname === from.hostname);
}
