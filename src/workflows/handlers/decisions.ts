/** Updates by which people decide, and change what a session may do and does next. */
import { setHandler } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { ChangeReport } from '../../contracts/messages.ts';
import type { ConfigurePayload } from '../../contracts/payloads.ts';
import type { DecidedRequest } from '../../contracts/request.ts';
import { type Analytics, SessionConfig } from '../../contracts/session.ts';
import { BUILT_IN_MODES, budgetProblem, findMode } from '../../contracts/team.ts';
import { accept } from '../input-check.ts';
import type { LiveSession } from '../session/live-session.ts';
import { analyticsOf, planView } from '../views/views.ts';
import { report, requireOpen, requireVersion } from './changes.ts';
import { editSteps, type PlanEdits, planToEdit } from './plan-edits.ts';

export function acceptDecisions(session: LiveSession): void {
  const { state } = session;

  // An update, since whoever decides wants to know whether it was their decision that counts.
  setHandler(messages.decide, (payload): DecidedRequest => session.requests.decide(payload), {
    validator: (payload) => {
      const wanted = accept(payloads.DecidePayload, payload, 'decision');
      requireOpen(session);
      session.requests.find(wanted);
    },
  });

  // An update, since the next call uses what it brings.
  setHandler(
    messages.configure,
    (payload): ChangeReport => {
      configure(session, payload);
      return report(session, true);
    },
    {
      validator: (payload) => {
        const wanted = accept(payloads.ConfigurePayload, payload, 'configuration');
        requireVersion(session, wanted.expectedVersion);
        requireOpen(session);
        checkConfiguration(session, wanted);
      },
    },
  );

  // An update, since the caller wants to see the plan that comes of it.
  setHandler(
    messages.editPlan,
    ({ edits }) => {
      editSteps(session, edits);
      return planView(state) ?? nothingPlanned();
    },
    {
      validator: (payload) => {
        const { expectedVersion, edits } = accept(payloads.EditPlanPayload, payload, 'plan change');
        requireVersion(session, expectedVersion);
        requireOpen(session);
        tryOut(session, edits);
      },
    },
  );

  // An update, since the caller wants to know that it is kept.
  setHandler(
    messages.rate,
    ({ rating, turnId, comment, by }): Analytics => {
      const at = new Date().toISOString();
      state.ratings.push({ rating, turnId: turnId ?? null, comment: comment ?? null, by: by ?? null, at });
      if (state.ratings.length > MAX_RATINGS) state.ratings.shift();
      session.touch();
      return analyticsOf(state);
    },
    {
      validator: (payload) => {
        const { turnId } = accept(payloads.RatePayload, payload, 'rating');
        requireOpen(session);
        if (turnId === undefined || session.findTurn(turnId)) return;
        throw toFailure('InvalidInput', { what: `turnId "${turnId}"`, problem: 'this session has no such turn' });
      },
    },
  );
}

const MAX_RATINGS = 100;

function checkConfiguration(
  { state }: LiveSession,
  { agents = {}, mode = state.mode, team, budget }: ConfigurePayload,
): void {
  const { definition } = team ?? state.nextTeam ?? state.team;
  const problem = budgetProblem(definition, budget);
  if (problem !== undefined) throw toFailure('InvalidInput', { what: 'budget.cost', problem });
  const known = Object.keys(definition.agents);
  const unknown = Object.keys(agents).find((id) => !known.includes(id));
  if (unknown !== undefined) {
    throw toFailure('InvalidInput', { what: `Agent "${unknown}"`, problem: `the team has ${known.join(', ')}` });
  }
  if (definition.name !== state.team.definition.name) {
    const wayOut = `this session works with team ${state.team.definition.name}; start another for this team`;
    throw toFailure('InvalidInput', { what: `Team "${definition.name}"`, problem: wayOut });
  }
  if (findMode(definition, mode)) return;
  const modes = [...Object.keys(BUILT_IN_MODES), ...Object.keys(definition.modes)];
  throw toFailure('UnknownMode', { mode, known: modes.join(', ') });
}

function configure({ state }: LiveSession, { agents, mode, team, expectedVersion: _, ...settings }: ConfigurePayload) {
  const changed = { ...state.config.agents, ...agents };
  const overrides = Object.entries(changed).filter(([, override]) => override !== null);
  const given = { ...state.config, ...settings, agents: Object.fromEntries(overrides) };
  // Null means "never" for the idle timeout, and "as by default" for the others.
  const kept = Object.entries(given).filter(([name, value]) => value !== null || name === 'idleTimeoutMs');
  state.config = SessionConfig.parse(Object.fromEntries(kept));
  state.mode = mode ?? state.mode;
  if (!team) return;
  // A plan in the middle was made for the agents that it has.
  if (state.current) state.nextTeam = team;
  else state.team = team;
}

/** Whether the changes can be made, found out on a copy. */
function tryOut(session: LiveSession, edits: PlanEdits): void {
  const turn = planToEdit(session, edits);
  const copy = { ...turn, steps: turn.steps.map((step) => ({ ...step })) };
  editSteps(session, edits, copy);
}

function nothingPlanned(): never {
  throw new TypeError('a plan was changed and is gone'); // editSteps found it
}
