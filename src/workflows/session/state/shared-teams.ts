/**
 * Teams of the sessions that are open on this worker. A definition is most of what an idle session holds and most of what
 * checking its start costs, and nearly all sessions have one of a few.
 */
import { z } from 'zod';
import { frozen } from '../../../contracts/json.ts';
import { SessionStart } from '../../../contracts/session.ts';
import type { SessionState } from '../../../contracts/session-state.ts';
import type { ResolvedTeam } from '../../../contracts/team.ts';
import { accept, shapeProblem } from '../../input-check.ts';

const MAX_KNOWN = 16;
const WHAT = 'Input of the workflow';

/** By the JSON that a team was made of, so what a session gets never depends on other sessions. */
const known = new Map<string, ResolvedTeam>();

const StartWithKnownTeam = SessionStart.extend({ team: z.unknown() });

/**
 * The start of a session, checked. The SDK keeps the input for as long as the session is open, so the input gets the
 * shared team as well.
 * @throws InvalidInput if the start has no known form
 */
export function acceptStart(input: unknown): SessionStart {
  // Anybody may start a session, with any input.
  const { start } = Object(input) as { readonly start?: unknown }; // an empty object if the input is none
  const given = Object(start) as { team?: unknown };
  // What is nested too deeply cannot become JSON.
  const json = shapeProblem(start) === undefined ? (JSON.stringify(given.team) as string | undefined) : undefined;
  const team = json === undefined ? undefined : known.get(json);
  const accepted = team ? { ...accept(StartWithKnownTeam, start, WHAT), team } : accept(SessionStart, start, WHAT);
  given.team = team ?? remember(json ?? '', accepted.team);
  return accepted;
}

/** State of the run before, with the team as one object for all sessions that have it. */
export function withSharedTeam(carried: SessionState): SessionState {
  const json = JSON.stringify(carried.team);
  carried.team = known.get(json) ?? remember(json, carried.team);
  return carried;
}

/** @param json JSON of the team in the input. The next run carries the team with its fields in another order, so that form is known as well. */
function remember(json: string, team: ResolvedTeam): ResolvedTeam {
  for (const key of new Set([json, JSON.stringify(team)])) {
    const [oldest] = known.keys();
    if (known.size >= MAX_KNOWN && oldest !== undefined) known.delete(oldest);
    known.set(key, frozen(team));
  }
  return team;
}
