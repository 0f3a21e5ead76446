/** The guard against events that come with a query, by the activations that the SDK makes of them. */
import assert from 'node:assert/strict';
import { ASK_AGAIN } from '../../src/contracts/early-query.ts';
import { refuseEarlyEvents } from '../../src/workflows/handlers/early-events.ts';

type Activate = NonNullable<ReturnType<typeof refuseEarlyEvents>['activate']>;
type Activation = Parameters<Activate>[0]['activation'];

/** A run in the cache of a worker: each function says whether the session gets the activation. */
class CachedRun {
  readonly #runId: string;
  readonly #guard = refuseEarlyEvents();

  constructor(runId: string) {
    this.#runId = runId;
  }

  replay = (task: number, historyLength: number): boolean => this.#take({ task, historyLength, isReplaying: true });
  events = (task: number, historyLength: number): boolean => this.#take({ task, historyLength, isReplaying: false });
  /** @param queryId default: it came by itself */
  query(queryId = 'legacy_query'): boolean {
    return this.#take({ task: 0, historyLength: 0, isReplaying: true, jobs: [{ queryWorkflow: { queryId } }] });
  }

  #take({ task, ...more }: Partial<Activation> & { readonly task: number }): boolean {
    const activation = { runId: this.#runId, timestamp: { seconds: task, nanos: 5 }, ...more } as unknown as Activation; // the guard reads no more of it
    let hasCome = false;
    try {
      this.#guard.activate?.({ activation, batchIndex: 0 }, () => (hasCome = true));
    } catch (error) {
      assert.equal(error instanceof Error && error.message, ASK_AGAIN);
    }
    return hasCome;
  }
}

/** A run that the guard has made the SDK drop. */
function drop(runId: string): void {
  const run = new CachedRun(runId);
  run.replay(1, 3);
  assert.equal(run.events(1, 7), false);
  // Nobody gets the answer to the query of the refused event.
  run.query();
}

/** The same run in the cache again, with its events live. */
function openAgain(runId: string): CachedRun {
  const run = new CachedRun(runId);
  run.replay(1, 3);
  assert.equal(run.events(2, 8), true);
  return run;
}

describe('[R07] events that come with a query', () => {
  it('are refused before their task has started', () => {
    const run = new CachedRun('early');
    assert.equal(run.replay(1, 3), true);
    assert.equal(run.events(1, 7), false);
  });

  it('are taken in their task, and queries after it are answered', () => {
    const run = new CachedRun('calm');
    assert.equal(run.replay(1, 3), true);
    assert.equal(run.events(2, 8), true);
    assert.equal(run.query(), true);
    assert.equal(run.events(3, 12), true);
    assert.equal(run.query(), true);
  });

  it('are not kept where the SDK has dropped their task: the query is refused, too, until history has them', () => {
    drop('dropped');
    assert.equal(openAgain('dropped').query(), false);
    const replayed = new CachedRun('dropped');
    replayed.replay(1, 3);
    replayed.replay(4, 11);
    assert.equal(replayed.query(), true);
    assert.equal(replayed.events(5, 15), true);
    assert.equal(replayed.query(), true);
  });

  it('are there for a query that came with their task', () => {
    drop('with task');
    const taken = openAgain('with task');
    assert.equal(taken.query('q1'), true);
    assert.equal(taken.query(), true);
  });

  it('of other runs are none of its business', () => {
    drop('one');
    assert.equal(openAgain('other').query(), true);
  });
});
