/** Reads a team's files on a worker, so that a client can pin a session to them without having them. */
import { z } from 'zod';
import type { TeamInspection } from '../contracts/activities.ts';
import { activities } from './activities.ts';
import { ResolvedTeam } from '../contracts/team.ts';
import { accept, check } from './input-check.ts';

export async function copilotResolveTeam(team: string): Promise<ResolvedTeam> {
  return await activities.resolveTeam(check(z.string(), team, 'Name of the team'));
}

/** Has a worker look at the team of a session that is about to be imported. */
export async function copilotInspectTeam(team: unknown): Promise<TeamInspection> {
  return await activities.inspectTeam(accept(ResolvedTeam, team, 'Team of the session'));
}
