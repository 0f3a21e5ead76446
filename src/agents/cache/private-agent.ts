/** An agent that one session overrides. It uses the tools and connections of its team. */
import type { AgentOverride } from '../../contracts/team.ts';
import type { Agent, Team } from '../team.ts';

/** Describes a private agent, with the field names that users see. */
export interface PrivateAgentFacts {
  /** `<name> (Session: <last 8 characters of the session's id>)`. */
  readonly name: string;
  readonly metadata: {
    readonly session_id: string;
    readonly base_agent_id: string;
    readonly created_for_session: true;
    readonly team: string;
    readonly digest: string;
    readonly configuration: AgentOverride;
  };
}

export interface PrivateAgent {
  readonly agent: Agent;
  readonly facts: PrivateAgentFacts;
}

/** @throws CopilotError `InvalidInput`, see {@link Team.agent} */
export function makePrivateAgent(team: Team, sessionId: string, id: string, override: AgentOverride): PrivateAgent {
  const agent = team.agent(id, override);
  const name = `${agent.definition.name} (Session: ${sessionId.slice(-8)})`;
  return {
    agent: { ...agent, definition: { ...agent.definition, name } },
    facts: {
      name,
      metadata: {
        session_id: sessionId,
        base_agent_id: id,
        created_for_session: true,
        team: team.definition.name,
        digest: team.digest,
        configuration: override,
      },
    },
  };
}
