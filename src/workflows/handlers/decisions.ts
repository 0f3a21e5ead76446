/** Updates by which people decide, and change what a session may do and does next. */
import { setHandler } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { ChangeReport } from '../../contracts/messages.ts';
import type { ConfigurePayload } from '../../contracts/payloads.ts';
import { findUselessRule } from '../../contracts/policies.ts';
import type { JsonObject } from '../../contracts/json.ts';
import type { DecidedRequest } from '../../contracts/request.ts';
import type { Analytics } from '../../contracts/session.ts';
import { BUILT_IN_MODES, budgetProblem, findMode } from '../../contracts/team.ts';
import { activities } from '../activities.ts';
import { accept } from '../input-check.ts';
import { policiesOf } from '../session/policies.ts';
import type { LiveSession } from '../session/live-session.ts';
import { analyticsOf, planView } from '../views/views.ts';
import { reportChange, requireOpen, requireVersion } from './changes.ts';
import { changedPlan, editPlan } from './plan-edits.ts';

export function acceptDecisions(session: LiveSession): void {
  const { state } = session;

  // An update, since the person wants to know whether their decision was the one that counted.
  setHandler(messages.decide, (payload) => decideRequest(session, payload), {
    validator: (payload) => {
      const wanted = accept(payloads.DecidePayload, payload, 'decision');
      requireOpen(session);
      session.requests.requireDecidable(wanted);
    },
  });

  // An update, since the next call uses what it brings.
  setHandler(
    messages.configure,
    (payload): ChangeReport => {
      session.settings.configure(payload);
      return reportChange(session, true);
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

  // An update, since the caller wants to see the changed plan.
  setHandler(
    messages.editPlan,
    ({ edits }) => {
      editPlan(session, edits);
      return planView(state) ?? nothingPlanned();
    },
    {
      validator: (payload) => {
        const { expectedVersion, edits } = accept(payloads.EditPlanPayload, payload, 'plan change');
        requireVersion(session, expectedVersion);
        requireOpen(session);
        changedPlan(session, edits);
      },
    },
  );

  // An update, since the caller wants to know that it is kept.
  setHandler(
    messages.rate,
    (payload): Analytics => {
      session.settings.addRating(payload);
      session.view.touch();
      return analyticsOf(state);
    },
    {
      validator: (payload) => {
        const { turnId } = accept(payloads.RatePayload, payload, 'rating');
        requireOpen(session);
        if (turnId === undefined || session.turns.find(turnId)) return;
        throw toFailure('InvalidInput', { what: `turnId "${turnId}"`, problem: 'this session has no such turn' });
      },
    },
  );
}

/** For what tools ask people while their calls run. */
export function acceptForms(session: LiveSession): void {
  // An update, since a call must know that its question is in the inbox.
  setHandler(messages.askForm, (payload) => session.forms.ask(payload), {
    validator: (payload) => {
      const asked = accept(payloads.AskFormPayload, payload, 'form');
      requireOpen(session);
      session.forms.requireCall(asked);
    },
  });
  // An update, since the same client sends both.
  setHandler(messages.withdrawForm, ({ key }) => session.requests.withdrawAside(key), {
    validator: (payload) => void accept(payloads.WithdrawFormPayload, payload, 'form'),
  });
}

function decideRequest(
  session: LiveSession,
  payload: payloads.DecidePayload,
): Promise<DecidedRequest> | DecidedRequest {
  const { arguments: edited } = payload;
  return edited === undefined ? session.requests.decide(payload) : decideWithEdit(session, payload, edited);
}

/**
 * Takes arguments of a person only if a worker finds nothing wrong with them. Only it knows the tool's schema.
 * @throws InvalidInput; as `Requests.decide`, since the request may have been decided meanwhile
 */
async function decideWithEdit(
  { state, requests }: LiveSession,
  payload: payloads.DecidePayload,
  edited: JsonObject,
): Promise<DecidedRequest> {
  const tool = state.requests.find(({ id }) => id === payload.requestId)?.tool?.name ?? '';
  const { workspace } = state.config;
  const problem = await activities.checkCall({
    tool,
    arguments: JSON.stringify(edited),
    digest: state.team.digest,
    policies: policiesOf(state),
    ...(workspace === undefined ? {} : { workspace }),
  });
  if (problem !== null) throw toFailure('InvalidInput', { what: `The edited call of ${tool}`, problem });
  return requests.decide(payload);
}

function checkConfiguration(
  { state }: LiveSession,
  { agent, agents = {}, mode = state.mode, team, budget, approvals }: ConfigurePayload,
): void {
  const { definition } = team ?? state.nextTeam ?? state.team;
  const problem = budgetProblem(definition, budget);
  if (problem !== undefined) throw toFailure('InvalidInput', { what: 'budget.cost', problem });
  const useless = findUselessRule(definition, approvals?.rules);
  if (useless) throw toFailure('InvalidInput', { what: `Rule "${useless.rule}"`, problem: useless.problem });
  const known = Object.keys(definition.agents);
  const unknown = [...Object.keys(agents), ...(agent ? [agent] : [])].find((id) => !known.includes(id));
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

function nothingPlanned(): never {
  throw new TypeError('a plan was changed and is gone'); // editSteps found it
}
