/** What the session and its turns have used. */
import type { Answered } from '../../../contracts/activities.ts';
import { addUsage, NO_USAGE, type Usage } from '../../../contracts/json.ts';
import type { SessionState } from '../../../contracts/session-state.ts';
import type { Budget } from '../../../contracts/team.ts';

export class Spending {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  countAnswer(agent: string, { usage, model, instance, worker, isTraced }: Answered): void {
    this.#add(`${agent}/${model}`, usage);
    this.#state.lastWorker = { identity: worker, instance };
    const { current } = this.#state;
    if (current && isTraced) delete current.isUntraced;
    else if (current) current.isUntraced = true;
  }

  countToolCall(agent: string): void {
    this.#add(`${agent}/tools`, { toolCalls: 1 });
  }

  /** A summary of the conversation is no part of a turn. */
  countSummary(agent: string, { usage, model }: Answered): void {
    this.#addToSession(`${agent}/${model}`, usage);
  }

  /** Sets a limit of the running turn. */
  raise(part: keyof Budget, limit: number): void {
    const { current } = this.#state;
    if (current) current.raised = { ...current.raised, [part]: limit };
  }

  /** @param who `agent/model`, or `agent/tools` */
  #add(who: string, usage: Partial<Usage>): void {
    const { current } = this.#state;
    if (current) {
      current.usage = addUsage(current.usage, usage);
      current.spent[who] = addUsage(current.spent[who] ?? NO_USAGE, usage);
    }
    this.#addToSession(who, usage);
  }

  #addToSession(who: string, usage: Partial<Usage>): void {
    this.#state.usage[who] = addUsage(this.#state.usage[who] ?? NO_USAGE, usage);
  }
}
