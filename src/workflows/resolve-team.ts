/** Reads a team's files on a worker, so that a client can pin a session to them without having them. */
import { z } from 'zod';
import type { ResolvedTeam } from '../contracts/team.ts';
import { activities } from './activities.ts';
import { check } from './input-check.ts';

export async function copilotResolveTeam(team: string): Promise<ResolvedTeam> {
  return await activities.resolveTeam(check(z.string(), team, 'Name of the team'));
}
