/** What people set: configuration, the position that `save` left, ratings. */
import type { ConfigurePayload, RatePayload, SavePayload } from '../../../contracts/payloads.ts';
import { SessionConfig } from '../../../contracts/session.ts';
import type { SessionState } from '../../../contracts/session-state.ts';

const MAX_RATINGS = 100;

export class Settings {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  configure({ agents, mode, team, expectedVersion: _, ...settings }: ConfigurePayload): void {
    const state = this.#state;
    const changed = { ...state.config.agents, ...agents };
    const overrides = Object.entries(changed).filter(([, override]) => override !== null);
    const given = { ...state.config, ...settings, agents: Object.fromEntries(overrides) };
    // Null means "never" for the idle timeout, and "as by default" for the others.
    const kept = Object.entries(given).filter(([name, value]) => value !== null || name === 'idleTimeoutMs');
    state.config = SessionConfig.parse(Object.fromEntries(kept));
    state.mode = mode ?? state.mode;
    // What was allowed for the session was allowed under the approvals before.
    const { approvals } = settings;
    if (approvals === null || approvals?.tools || approvals?.rules) state.grants = [];
    if (!team) return;
    // The plan of a running turn was made for the agents that it has.
    if (state.current) state.nextTeam = team;
    else state.team = team;
  }

  /** Takes over the team that came in the middle of the turn before. */
  useNextTeam(): void {
    if (this.#state.nextTeam) this.#state.team = this.#state.nextTeam;
    this.#state.nextTeam = null;
  }

  savePosition({ phase, step, plan = this.#state.saved?.plan }: Pick<SavePayload, 'phase' | 'step' | 'plan'>): void {
    this.#state.saved = { phase, step, ...(plan === undefined ? {} : { plan }) };
  }

  forgetPosition(): void {
    this.#state.saved = null;
  }

  addRating({ rating, turnId, comment, by }: RatePayload): void {
    const { ratings } = this.#state;
    const at = new Date().toISOString();
    ratings.push({ rating, turnId: turnId ?? null, comment: comment ?? null, by: by ?? null, at });
    if (ratings.length > MAX_RATINGS) ratings.shift();
  }
}
