/** Asks workers for teams, so that a client needs no team files. */
import type { TeamInspection } from '../../contracts/activities.ts';
import { INSPECT_TEAM_WORKFLOW, RESOLVE_TEAM_WORKFLOW } from '../../contracts/messages.ts';
import type { ResolvedTeam } from '../../contracts/team.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { askWorkers } from '../ask-workers.ts';

/** Sessions created at about the same time share one question, and a changed file is noticed soon. */
const MAX_AGE_MS = 5_000;
const PREFIX = 'resolve-team';

/** Shares the question for a team among concurrent callers and keeps the answer for 5 s. */
export class TeamDirectory {
  readonly #link: ServerLink;
  readonly #answers = new Map<string, { readonly askedAt: number; readonly answer: Promise<ResolvedTeam> }>();

  constructor(link: ServerLink) {
    this.#link = link;
  }

  /** @throws CopilotError `TeamNotFound`, `InvalidTeam`, `NoWorker` after 15 s without any worker, `ServerUnreachable` */
  async find(team: string): Promise<ResolvedTeam> {
    const known = this.#answers.get(team);
    if (known && Date.now() - known.askedAt < MAX_AGE_MS) return await known.answer;
    const entry = { askedAt: Date.now(), answer: resolveTeam(this.#link, team) };
    this.#answers.set(team, entry);
    try {
      return await entry.answer;
    } catch (error) {
      if (this.#answers.get(team) === entry) this.#answers.delete(team);
      throw error;
    }
  }
}

/** The team as the files of a worker have it now. @throws as {@link TeamDirectory.find} */
export async function resolveTeam(link: ServerLink, team: string): Promise<ResolvedTeam> {
  return await askWorkers(link, { type: RESOLVE_TEAM_WORKFLOW, args: [team], prefix: PREFIX, summary: `team ${team}` });
}

/** What workers say of a team's definition. @throws CopilotError `InvalidInput`, `NoWorker`, `ServerUnreachable` */
export async function inspectTeam(link: ServerLink, team: ResolvedTeam): Promise<TeamInspection> {
  const summary = `team ${team.definition.name} of an import`;
  return await askWorkers(link, { type: INSPECT_TEAM_WORKFLOW, args: [team], prefix: PREFIX, summary });
}
