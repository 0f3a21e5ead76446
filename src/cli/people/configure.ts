/** `copilot configure`. */
import { readFile } from 'node:fs/promises';
import { dropUndefined } from '../../client/defined-fields.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import type { ConfigureOptions } from '../../client/session/configuration.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { SessionConfig } from '../../contracts/session.ts';
import type { AgentOverride } from '../../contracts/team.ts';
import { withClient } from '../connected.ts';
import { optional, parsePositiveNumber } from '../numbers.ts';
import { versionOption, type VersionFlags } from '../session/json-file.ts';
import { printResult } from '../terminal.ts';
import { milliseconds, type SettingFlags, settingsOf } from './settings.ts';

export interface ConfigureFlags extends SettingFlags, VersionFlags {
  readonly agent?: string;
  readonly model?: string;
  readonly temperature?: string;
  readonly instructionsFile?: string;
  readonly resetAgent?: boolean;
  readonly resetModel?: boolean;
  readonly answeringAgent?: string;
  readonly resetAnsweringAgent?: boolean;
  readonly resetApprovals?: boolean;
  readonly resetBudget?: boolean;
  readonly mode?: string;
  readonly idleTimeout?: string;
  readonly refreshTeam?: boolean;
}

export async function runConfigure(id: string, flags: ConfigureFlags): Promise<void> {
  const { mode, idleTimeout, refreshTeam } = flags;
  const override = await overrideOf(flags);
  const settings = settingsOf(flags);
  await withClient(async (client) => {
    const session = client.session(id);
    const report = await session.configure({
      ...(await merged(session, flags, override, settings)),
      ...wholeSession(flags),
      ...dropUndefined({ mode, idleTimeoutMs: idleTimeoutMs(idleTimeout), refreshTeam }),
      ...versionOption(flags),
    });
    const { config, digest } = await session.info();
    printResult(
      flags.json,
      { sessionId: id, ...report, config, digest },
      () => `${id} is configured (version ${report.version})`,
    );
  });
}

/** Model and answering agent of the session as a whole. */
function wholeSession({
  agent,
  model,
  resetModel,
  answeringAgent,
  resetAnsweringAgent,
}: ConfigureFlags): Pick<ConfigureOptions, 'model' | 'agent'> {
  const sessionModel = agent === undefined ? model : undefined;
  for (const [name, value, reset] of [
    ['model', model, resetModel],
    ['answering-agent', answeringAgent, resetAnsweringAgent],
  ] as const) {
    if (value === undefined || !reset) continue;
    throw new CopilotError('InvalidInput', { what: `--reset-${name}`, problem: `it contradicts --${name}` });
  }
  return dropUndefined({
    model: resetModel ? null : sessionModel,
    agent: resetAnsweringAgent ? null : answeringAgent,
  });
}

/** Merges single settings into the present ones, because the session replaces whole groups of settings. */
async function merged(
  session: SessionHandle,
  { agent, resetAgent, resetApprovals, resetBudget, ask = [] }: ConfigureFlags,
  override: AgentOverride | undefined,
  { approvals, budget, allowCode }: Pick<SessionConfig, 'approvals' | 'budget' | 'allowCode'>,
): Promise<ConfigureOptions> {
  const { config } = await session.info();
  const before = resetApprovals ? undefined : config.approvals;
  const tools = { ...before?.tools, ...approvals?.tools };
  const rules = { ...before?.rules, ...approvals?.rules };
  return {
    ...(agent === undefined
      ? {}
      : { agents: { [agent]: resetAgent ? null : { ...config.agents?.[agent], ...override } } }),
    ...(approvals === undefined
      ? resetApprovals
        ? { approvals: null }
        : {}
      : {
          approvals: {
            ...before,
            ...approvals,
            ...(Object.keys(tools).length === 0 ? {} : { tools }),
            ...(Object.keys(rules).length === 0 ? {} : { rules }),
          },
        }),
    ...(budget === undefined
      ? resetBudget
        ? { budget: null }
        : {}
      : { budget: { ...(resetBudget ? {} : config.budget), ...budget } }),
    // `allowCode` would override the policy for code.
    ...(ask.includes('code') ? { allowCode: null } : allowCode === undefined ? {} : { allowCode }),
  };
}

async function overrideOf(flags: ConfigureFlags): Promise<AgentOverride | undefined> {
  const { agent, model, temperature, instructionsFile, resetAgent } = flags;
  const override = dropUndefined({
    model,
    temperature: optional(parseTemperature, '--temperature', temperature),
    instructions: instructionsFile === undefined ? undefined : await readText(instructionsFile),
  });
  const isGiven = Object.keys(override).length > 0;
  // A model alone is one for the whole session.
  if (agent === undefined && (temperature !== undefined || instructionsFile !== undefined || resetAgent)) {
    throw new CopilotError('InvalidInput', {
      what: 'configure',
      problem: '--temperature, --instructions-file and --reset-agent need --agent <id>',
    });
  }
  if (agent !== undefined && isGiven === (resetAgent ?? false)) {
    throw new CopilotError('InvalidInput', {
      what: `--agent ${agent}`,
      problem: 'pass --model, --temperature or --instructions-file, or only --reset-agent',
    });
  }
  return agent !== undefined && isGiven ? override : undefined;
}

function parseTemperature(flag: string, text: string): number {
  return Number(text) === 0 ? 0 : parsePositiveNumber(flag, text);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const problem = `it cannot be read (${cause instanceof Error ? cause.message : String(cause)})`;
    throw new CopilotError('InvalidInput', { what: `--instructions-file "${path}"`, problem }, { cause });
  }
}

function idleTimeoutMs(text: string | undefined): number | null | undefined {
  return text === 'never' ? null : milliseconds('--idle-timeout', text);
}
