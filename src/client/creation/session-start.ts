/** What a new session starts with. Everything is checked against its team, before anything is there. */
import type { z } from 'zod';
import type { Config } from '../../config.ts';
import { isReservedKey } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';
import { utf8Bytes } from '../../contracts/utf8.ts';
import { MAX_CONTEXT_BYTES } from '../../contracts/limits.ts';
import { findUselessRule } from '../../contracts/policies.ts';
import { type QueuedMessage, type SessionOptions, type SessionStart, titleOf } from '../../contracts/session.ts';
import { BUILT_IN_MODES, budgetProblem, type ResolvedTeam } from '../../contracts/team.ts';
import { newUlid } from '../new-ulid.ts';

export function newSessionId(): string {
  return `ses_${newUlid()}`;
}

export interface StartParts {
  readonly team: ResolvedTeam;
  readonly config: Pick<Config, 'encryptionKeys' | 'sessionIdleMs'>;
  readonly now: Date;
  readonly message: QueuedMessage | undefined;
}

/** @throws CopilotError `InvalidInput`, `ReservedKey`, `UnknownMode` */
export function sessionStart(
  { mode = 'copilot', name, user, context = {}, config: given }: z.output<typeof SessionOptions>,
  { team, config: { encryptionKeys, sessionIdleMs }, now, message }: StartParts,
): SessionStart {
  const config = { ...(sessionIdleMs === undefined ? {} : { idleTimeoutMs: sessionIdleMs }), ...given };
  checkContext(context);
  checkMode(team, mode);
  checkAgent(team, config.agent);
  const useless = findUselessRule(team.definition, config.approvals?.rules);
  if (useless) throw new CopilotError('InvalidInput', { what: `Rule "${useless.rule}"`, problem: useless.problem });
  const problem = budgetProblem(team.definition, config.budget);
  if (problem !== undefined) throw new CopilotError('InvalidInput', { what: 'config.budget.cost', problem });
  // Nobody encrypts what lists filter by, so the words of a message must not become a name there.
  const isSecret = encryptionKeys.length > 0;
  const title = message === undefined || isSecret ? undefined : titleOf(message.text);
  return {
    mode,
    name: name ?? title ?? defaultName(mode, now),
    isNamed: name !== undefined || title !== undefined || isSecret,
    ...(user === undefined ? {} : { user }),
    team,
    config,
    context,
    ...(message === undefined ? {} : { message }),
  };
}

/** `<mode>_YYYYMMDD_HHMMSS`, in UTC. */
export function defaultName(mode: string, now: Date): string {
  const [date = '', time = ''] = now.toISOString().replaceAll(/[-:]/g, '').split(/[T.]/);
  return `${mode}_${date}_${time}`;
}

/** @throws CopilotError `ReservedKey`, `InvalidInput` */
export function checkContext(context: Readonly<Record<string, Json>> = {}): void {
  for (const key of Object.keys(context)) if (isReservedKey(key)) throw new CopilotError('ReservedKey', { key });
  const size = utf8Bytes(JSON.stringify(context));
  if (size <= MAX_CONTEXT_BYTES) return;
  throw new CopilotError('InvalidInput', {
    what: 'context',
    problem: `it is ${size} bytes long as JSON, more than the ${MAX_CONTEXT_BYTES} allowed; attach large data as files`,
  });
}

function checkMode({ definition }: ResolvedTeam, mode: string): void {
  const known = [...new Set([...Object.keys(BUILT_IN_MODES), ...Object.keys(definition.modes)])];
  if (!known.includes(mode)) throw new CopilotError('UnknownMode', { mode, known: known.join(', ') });
}

function checkAgent({ definition }: ResolvedTeam, agent: string | undefined): void {
  const known = Object.keys(definition.agents);
  if (agent === undefined || known.includes(agent)) return;
  const problem = `team ${definition.name} has no such agent; it has ${known.join(', ')}`;
  throw new CopilotError('InvalidInput', { what: `config.agent ("${agent}")`, problem });
}
