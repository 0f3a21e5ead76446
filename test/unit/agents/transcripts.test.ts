import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type FetchMessages, TranscriptCache } from '../../../src/agents/transcripts.ts';
import { advance, EMPTY_TRANSCRIPT, type Message, type TranscriptAddress } from '../../../src/contracts/transcript.ts';

/** A session as the cache sees it: the original, and how often it was asked for what. */
class Session {
  messages: Message[] = [];
  epoch = 0;
  readonly asked: number[] = [];

  say(...texts: string[]): this {
    this.messages.push(...texts.map(user));
    return this;
  }

  /** Older messages give way to a summary. */
  compact(summary: string, keep: number): this {
    this.epoch += 1;
    this.messages = [user(summary), ...this.messages.slice(this.messages.length - keep)];
    return this;
  }

  address(length = this.messages.length): TranscriptAddress {
    return advance({ ...EMPTY_TRANSCRIPT, epoch: this.epoch }, this.messages.slice(0, length));
  }

  readonly fetch: FetchMessages = async (from) => {
    this.asked.push(from);
    const part = { address: this.address(), from, messages: this.messages.slice(from) };
    await sleep(1);
    return part;
  };
}

function user(text: string): Message {
  return { role: 'user', text };
}

const texts = (messages: readonly Message[]): string[] => messages.map(({ text }) => text);

describe('agents: transcripts kept by a worker', () => {
  it('asks the session once, and then answers from its copy, also for an earlier place', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a', 'b', 'c')];
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), ['a', 'b', 'c']);
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), ['a', 'b', 'c']);
    assert.deepEqual(texts(await cache.read('s', session.address(2), session.fetch)), ['a', 'b']);
    assert.deepEqual(session.asked, [0]);
    const { hits, refills, misses, entries } = cache.stats();
    assert.deepEqual({ hits, refills, misses, entries }, { hits: 2, refills: 0, misses: 1, entries: 1 });
  });

  it('asks only for what its copy lacks', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a', 'b')];
    await cache.read('s', session.address(), session.fetch);
    session.say('c', 'd');
    assert.deepEqual(texts(await cache.read('s', session.address(3), session.fetch)), ['a', 'b', 'c']);
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), ['a', 'b', 'c', 'd']);
    assert.deepEqual(session.asked, [0, 2]);
    assert.deepEqual([cache.stats().refills, cache.stats().hits], [1, 1]);
  });

  it('needs to ask for nothing where it was told what came next', async () => {
    const [cache, session] = [new TranscriptCache(), new Session()];
    for (const text of ['a', 'b', 'c']) {
      cache.append('s', session.address(), [user(text)]);
      session.say(text);
      assert.equal((await cache.read('s', session.address(), session.fetch)).at(-1)?.text, text);
    }
    assert.deepEqual(session.asked, []);
    assert.equal(cache.stats().hits, 3);
  });

  it('ignores what does not follow exactly on its copy', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a', 'b')];
    await cache.read('s', session.address(), session.fetch);
    cache.append('s', session.address(1), [user('x')]);
    cache.append('s', { ...session.address(), check: 1 }, [user('x')]);
    cache.append('s', { ...session.address(), epoch: 1 }, [user('x')]);
    cache.append('unknown', session.address(), [user('x')]);
    cache.append('s', session.address(), [user('c')]);
    session.say('c');
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), ['a', 'b', 'c']);
    assert.deepEqual(session.asked, [0]);
  });

  it('notices that the session took in something else than it was told, and asks for everything', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a')];
    await cache.read('s', session.address(), session.fetch);
    cache.append('s', session.address(), [user('lost')]);
    session.say('kept');
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), ['a', 'kept']);
    cache.append('s', session.address(), [user('lost again')]);
    session.say('kept again', 'and more');
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), [
      'a',
      'kept',
      'kept again',
      'and more',
    ]);
    assert.deepEqual(session.asked, [0, 0, 3, 0]);
    assert.deepEqual([cache.stats().misses, cache.stats().refills], [3, 0]);
  });

  it('starts anew when older messages were replaced by a summary', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a', 'b', 'c')];
    await cache.read('s', session.address(), session.fetch);
    session.compact('summary of a and b', 1);
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), ['summary of a and b', 'c']);
    assert.deepEqual(session.asked, [0, 0]);
  });

  it('says so where the session does not have what was asked for', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a', 'b')];
    await cache.read('s', session.address(1), session.fetch);
    const wrong: TranscriptAddress[] = [
      { ...session.address(), check: 1 },
      { epoch: 0, length: 5, check: 1 },
      { epoch: 3, length: 1, check: session.address(1).check },
      { epoch: 0, length: 0, check: 1 },
    ];
    for (const address of wrong) {
      await assert.rejects(cache.read('s', address, session.fetch), {
        type: 'Internal',
        message: /The session does not have/,
      });
    }
    assert.deepEqual(texts(await cache.read('s', session.address(), session.fetch)), ['a', 'b']);
  });

  it('an empty conversation is known without asking', async () => {
    const session = new Session();
    assert.deepEqual(await new TranscriptCache().read('s', EMPTY_TRANSCRIPT, session.fetch), []);
    assert.deepEqual(session.asked, []);
  });

  it('readers who want the same at the same time share one question, and a failed one is asked again', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a', 'b')];
    const read = () => cache.read('s', session.address(), session.fetch);
    const results = await Promise.all([read(), read(), read(), cache.read('other', session.address(), session.fetch)]);
    assert.deepEqual(
      results.map(texts),
      Array.from({ length: 4 }, () => ['a', 'b']),
    );
    assert.notEqual(results[0], results[1]);
    assert.deepEqual(session.asked, [0, 0]);

    session.say('c');
    await assert.rejects(
      cache.read('s', session.address(), () => Promise.reject(new Error('no session'))),
      /no session/,
    );
    assert.deepEqual(texts(await read()), ['a', 'b', 'c']);
  });

  it('two conversations never mix, and a reader cannot change the copy', async () => {
    const cache = new TranscriptCache();
    const [one, two] = [new Session().say('one'), new Session().say('two')];
    const read = await cache.read('s', one.address(), one.fetch);
    await cache.read('t', two.address(), two.fetch);
    // A reader that ignores the types.
    (read as Message[]).push(user('sneaked in'));
    assert.deepEqual(texts(await cache.read('s', one.address(), one.fetch)), ['one']);
    assert.deepEqual(texts(await cache.read('t', two.address(), two.fetch)), ['two']);
    assert.deepEqual([one.asked, two.asked], [[0], [0]]);
  });

  it('stays within its bytes, and serves a conversation larger than that too', async () => {
    const cache = new TranscriptCache({ maxBytes: 20_000 });
    const sessions = Array.from({ length: 10 }, (_, index) => new Session().say(`${index}`.repeat(2_000)));
    for (const [index, session] of sessions.entries()) await cache.read(`s${index}`, session.address(), session.fetch);
    assert.equal(cache.stats().entries, 4);
    assert.ok(cache.stats().bytes <= 20_000);
    for (let round = 0; round < 3; round++) {
      const session = sessions[9] ?? assert.fail();
      cache.append('s9', session.address(), [user('x'.repeat(4_000))]);
      session.say('x'.repeat(4_000));
      assert.ok(cache.stats().bytes <= 20_000);
      assert.deepEqual(await cache.read('s9', session.address(), session.fetch), session.messages);
    }
  });

  it('forgets what it is told to', async () => {
    const [cache, session] = [new TranscriptCache(), new Session().say('a')];
    await cache.read('s', session.address(), session.fetch);
    cache.drop('s');
    assert.deepEqual([cache.stats().entries, cache.stats().bytes], [0, 0]);
  });

  it('gives what a plain array gives, whatever is said, guessed wrong, compacted, lost and read at once', async () => {
    const seed = Date.now() & 0xffff;
    console.log(`      seed ${seed}`);
    const step = fc.oneof(
      fc.record({
        do: fc.constant('say' as const),
        text: fc.string(),
        guess: fc.constantFrom('right', 'wrong', 'none'),
      }),
      fc.record({ do: fc.constant('read' as const), back: fc.nat(3), readers: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('compact' as const), keep: fc.nat(2) }),
      fc.record({ do: fc.constant('lose' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 500, max: 50_000 }),
        async (steps, maxBytes) => {
          const [cache, session] = [new TranscriptCache({ maxBytes }), new Session()];
          const reads: Promise<void>[] = [];
          for (const taken of steps) {
            if (taken.do === 'say') {
              if (taken.guess !== 'none')
                cache.append('s', session.address(), [user(taken.guess === 'right' ? taken.text : `${taken.text}!`)]);
              session.say(taken.text);
            } else if (taken.do === 'read') {
              const length = Math.max(0, session.messages.length - taken.back);
              const [address, expected] = [session.address(length), session.messages.slice(0, length)];
              for (let reader = 0; reader < taken.readers; reader++) {
                reads.push(
                  cache.read('s', address, session.fetch).then((messages) => assert.deepEqual(messages, expected)),
                );
              }
              if (taken.readers === 1) await Promise.all(reads.splice(0));
            } else if (taken.do === 'compact') {
              // The session compacts only when no call is under way.
              await Promise.all(reads.splice(0));
              session.compact('summary', taken.keep);
            } else {
              cache.drop('s');
            }
          }
          await Promise.all(reads);
          assert.ok(cache.stats().bytes <= maxBytes);
        },
      ),
      { seed, numRuns: 150 },
    );
  });
});
