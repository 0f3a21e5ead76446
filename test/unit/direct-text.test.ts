/** The direct way of text from a worker to its followers, over real HTTP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { CopilotError } from '../../src/client.ts';
import { DirectTexts } from '../../src/client/follow/direct-texts.ts';
import { StreamedText } from '../../src/client/follow/streamed-text.ts';
import { loadConfig } from '../../src/config.ts';
import { type DirectAddress, proofOf } from '../../src/contracts/direct-text.ts';
import { startTextServer, type TextServer } from '../../src/direct-text/text-server.ts';
import { WrittenText } from '../../src/direct-text/written-text.ts';
import { screen } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { freePort } from '../helpers/ports.ts';

const CALL = { turnId: 'turn-1', activityId: 'turn-1/one-shot/1' };
const LOOPBACK = { listen: { host: '127.0.0.1', port: 0 } };
const QUIET = { info: () => undefined, warn: () => undefined };

describe('direct text', function () {
  this.timeout(30_000);
  let texts: TextServer;
  const others: Server[] = [];

  before(async () => {
    const started = await startTextServer(LOOPBACK, QUIET);
    assert.ok(started);
    texts = started;
  });
  after(async () => {
    await texts.close();
    for (const other of others) {
      other.closeAllConnections();
      other.close();
    }
  });

  /** A call that is being written, and how many follow it. */
  function openCall() {
    const written = new WrittenText();
    const seen = { followers: 0, beats: 0 };
    const served = texts.open({
      written,
      beat: () => (seen.beats += 1),
      onFollowers: (count) => (seen.followers = count),
    });
    return { written, seen, ...served };
  }

  /** What a follower shows of a call, from an address that it was told. */
  function follow(address: DirectAddress, text = new StreamedText()) {
    const direct = new DirectTexts();
    const events = text.begin(CALL);
    const ends: string[] = [];
    const shown = text.reached(CALL.activityId) ?? assert.fail();
    direct.offer({ activityId: CALL.activityId, attempt: 1, address, shown });
    let isLeft = false;
    const reading = (async () => {
      while (!isLeft) {
        await Promise.race([direct.news, sleep(50)]);
        const taken = direct.take();
        for (const part of taken.news) events.push(...text.direct(part));
        ends.push(...taken.ends);
      }
    })();
    const leave = async (): Promise<void> => {
      isLeft = true;
      direct.keep([]);
      await reading;
    };
    return { direct, events, ends, leave };
  }

  async function foreignServer(answer: RequestListener): Promise<string> {
    const server = createServer(answer);
    others.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/calls/1`; // listening on TCP
  }

  const TOKEN = 'x'.repeat(43);
  const asked = (address: DirectAddress, headers: Record<string, string> = {}, method = 'GET') =>
    status(address.url, { authorization: `Bearer ${proofOf(address.token, 'follower')}`, ...headers }, method);

  it('[G04] each follower gets text and reasoning once and whole, whenever it comes, however they are written', async () => {
    const delta = fc.record({ isText: fc.boolean(), delta: fc.string({ unit: 'grapheme', maxLength: 8 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(delta, { maxLength: 30 }),
        fc.array(fc.nat(30), { maxLength: 3 }),
        async (all, joins) => {
          const { written, address, close } = openCall();
          const followers = [follow(address)];
          for (const [at, { isText, delta }] of all.entries()) {
            followers.push(...joins.filter((join) => join === at).map(() => follow(address)));
            // Halves of a character may come apart.
            for (const unit of delta.split('')) {
              if (isText) written.addText(unit);
              else written.addReasoning(unit);
            }
            if (at % 7 === 0) await sleep(1);
          }
          await until('they are read', async () =>
            followers.every(({ direct }) => direct.has(CALL.activityId)) ? true : undefined,
          );
          close();
          await until('the end', async () => (followers.every(({ ends }) => ends.length === 1) ? true : undefined));
          for (const { events, ends, leave } of followers) {
            await leave();
            assert.equal(screen(events), written.text);
            assert.equal(
              events.map((event) => (event.type === 'reasoning' ? event.text : '')).join(''),
              written.reasoning,
            );
            assert.ok(events.every((event) => !('text' in event) || event.text.isWellFormed()));
            assert.deepEqual(ends, ['ended']);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('goes on behind what a heartbeat gave', async () => {
    const { written, address, close } = openCall();
    written.addText('Hello ');
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(CALL.activityId, { attempt: 1, offset: 0, text: 'Hel' }, false);
    const direct = new DirectTexts();
    direct.offer({
      activityId: CALL.activityId,
      attempt: 1,
      address,
      shown: text.reached(CALL.activityId) ?? assert.fail(),
    });
    written.addText('world');
    const events: unknown[] = [];
    await until('the text', async () => {
      events.push(...direct.take().news.flatMap((part) => text.direct(part)));
      return text.reached(CALL.activityId)?.text === 11 ? true : undefined;
    });
    assert.deepEqual(events[0], { type: 'token', ...CALL, attempt: 1, offset: 3, text: 'lo world' });
    direct.keep([]);
    close();
  });

  it('says how many follow, and sends a heartbeat when a follower asks for one', async () => {
    const { seen, address, close } = openCall();
    const [one, other] = [follow(address), follow(address)];
    await until('both follow', async () => (seen.followers === 2 ? true : undefined));
    await until('it is open', async () => (one.direct.has(CALL.activityId) ? true : undefined));
    one.direct.nudge();
    await until('a heartbeat', async () => (seen.beats === 1 ? true : undefined));
    await one.leave();
    await until('one has left', async () => (seen.followers === 1 ? true : undefined));
    close();
    await until('the end', async () => (other.ends.length === 1 ? true : undefined));
    assert.equal(seen.followers, 1, 'of a call that has ended nobody wants to know');
    await other.leave();
  });

  it('[G04] gives nothing without the token, to pages, under other names, and after the call', async () => {
    const { written, seen, address, close } = openCall();
    written.addText('secret');
    const wrong = { ...address, token: TOKEN };
    assert.equal(await asked(wrong), 404);
    assert.equal(await asked(wrong, {}, 'POST'), 404);
    assert.equal(await asked({ ...address, url: `${address.url}x` }), 404);
    assert.equal(await asked(address, { authorization: `Bearer ${address.token}` }), 404);
    assert.equal(await asked(address, { authorization: '' }), 404);
    assert.equal(await asked(address, { authorization: `Bearer ${proofOf(address.token, 'worker')}` }), 404);
    assert.equal(await asked({ ...address, url: `${address.url}/beat` }, { authorization: '' }, 'POST'), 404);
    assert.equal(await asked(address, { origin: 'http://evil.example' }), 403);
    assert.equal(await asked(address, { 'sec-fetch-site': 'same-origin' }), 403);
    assert.equal(await asked(address, { host: 'evil.example' }), 403);
    assert.equal(await asked({ ...address, url: `${address.url}?text=-1` }), 400);
    assert.equal(await asked(address, {}, 'HEAD'), 404);
    assert.equal(await asked({ ...address, url: new URL('/', address.url).href }), 404);
    assert.deepEqual(seen, { followers: 0, beats: 0 });
    assert.equal(await asked(address), 200);
    close();
    assert.equal(await asked(address), 404);
    assert.equal(await asked({ ...address, url: `${address.url}/beat` }, {}, 'POST'), 404);
    assert.equal(seen.beats, 0);
  });

  it('of a follower that does not read, nothing is kept: it is cut off when the call has ended', async () => {
    const { written, seen, address, close } = openCall();
    const { hostname, port, pathname, host } = new URL(address.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    const proof = proofOf(address.token, 'follower');
    socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${proof}\r\n\r\n`);
    await until('it follows', async () => (seen.followers === 1 ? true : undefined));
    // More than the buffers of both ends take.
    for (let part = 0; part < 32; part++) {
      written.addText('x'.repeat(1024 * 1024));
      await sleep(1);
    }
    const closed = once(socket, 'close');
    close();
    await sleep(100);
    assert.equal(socket.closed, false);
    socket.resume();
    await closed;
  });

  it('[G04] a worker out of reach, a silent one and an impostor give a follower nothing, and hold it up by nothing', async () => {
    const gone = `http://127.0.0.1:${await freePort()}/calls/1`;
    const silent = await foreignServer(() => undefined);
    const impostor = await foreignServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'copilot-proof': proofOf('y', 'worker') });
      response.end('event: text\ndata: {"text":{"offset":0,"text":"lies"}}\n\n');
    });
    let forwarded = 0;
    const target = await foreignServer((_, response) => {
      forwarded += 1;
      response.end();
    });
    const forwarding = await foreignServer((_, response) => response.writeHead(302, { location: target }).end());
    for (const url of [gone, silent, impostor, forwarding]) {
      const { direct, events, ends, leave } = follow({ url, token: TOKEN });
      await until('it gives up', async () => (direct.isTrying(CALL.activityId) ? undefined : true));
      await leave();
      assert.deepEqual([events, ends], [[], ['unreached']]);
    }
    assert.equal(forwarded, 0);
  });

  it('[G04] a stream that breaks off is reported at once, and one that falls silent after 6 s', async () => {
    const proof = { 'content-type': 'text/event-stream', 'copilot-proof': proofOf(TOKEN, 'worker') };
    const part = 'event: text\ndata: {"text":{"offset":0,"text":"Hel"}}\n\n';
    const breaking = await foreignServer((_, response) => {
      response.writeHead(200, proof).write(part, () => setTimeout(() => response.destroy(), 50));
    });
    const silent = await foreignServer((_, response) => response.writeHead(200, proof).write(part));
    for (const [url, withinMs] of [
      [breaking, 5_000],
      [silent, 15_000],
    ] as const) {
      const { events, ends, leave } = follow({ url, token: TOKEN });
      await until('the end', async () => (ends.length === 1 ? true : undefined), withinMs);
      await leave();
      assert.deepEqual([screen(events), ends], ['Hel', ['broken']]);
    }
  });

  it('is not given if the port is in use, and the worker goes on', async () => {
    const url = await foreignServer(() => undefined);
    const warnings: unknown[] = [];
    const listen = { host: '127.0.0.1', port: Number(new URL(url).port) };
    assert.equal(
      await startTextServer({ listen }, { ...QUIET, warn: (what: unknown) => warnings.push(what) }),
      undefined,
    );
    assert.equal(warnings.length, 1);
  });

  it('[G04] is on loopback unless the environment says where else, and never unnoticed in plain beside encryption', () => {
    const read = (changes: Record<string, string>) => loadConfig(changes).directText;
    const refused = (changes: Record<string, string>, message: RegExp) =>
      assert.throws(
        () => read(changes),
        (error) => error instanceof CopilotError && error.type === 'InvalidConfig' && message.test(error.message),
      );
    assert.deepEqual(read({}), LOOPBACK);
    assert.equal(read({ COPILOT_DIRECT_TEXT: '0' }), undefined);
    const keys = { COPILOT_ENCRYPTION_KEYS: `k:${Buffer.alloc(32, 1).toString('base64')}` };
    assert.deepEqual(read(keys), LOOPBACK);
    const everywhere = { COPILOT_DIRECT_TEXT_LISTEN: '0.0.0.0:7290' };
    refused(everywhere, /COPILOT_DIRECT_TEXT_URL/);
    const there = { ...everywhere, COPILOT_DIRECT_TEXT_URL: 'http://10.0.0.7:7290' };
    assert.deepEqual(read(there), { listen: { host: '0.0.0.0', port: 7290 }, url: 'http://10.0.0.7:7290' });
    refused({ ...keys, ...there }, /COPILOT_DIRECT_TEXT_URL.*plain HTTP/);
    refused({ ...keys, COPILOT_DIRECT_TEXT_LISTEN: '10.0.0.7:7290' }, /COPILOT_DIRECT_TEXT_LISTEN.*plain HTTP/);
    assert.ok(read({ ...keys, ...there, COPILOT_DIRECT_TEXT: 'unencrypted' }));
    assert.ok(read({ ...keys, ...there, COPILOT_DIRECT_TEXT_URL: 'https://worker-7.example' }));
    refused({ COPILOT_DIRECT_TEXT_LISTEN: '7290' }, /host and port/);
    refused({ COPILOT_DIRECT_TEXT_LISTEN: 'here:99999' }, /host and port/);
    refused({ ...everywhere, COPILOT_DIRECT_TEXT_URL: 'http://10.0.0.7:7290/text' }, /path/);
    refused({ COPILOT_DIRECT_TEXT: 'yes' }, /COPILOT_DIRECT_TEXT/);
  });
});

/** The status of a response. It sends what `fetch` does not: any `host` and `origin`. */
async function status(url: string, headers: Record<string, string>, method: string): Promise<number | undefined> {
  const sent = request(url, { method, headers, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [{ statusCode?: number; destroy(): void }]; // node's own event
  response.destroy();
  return response.statusCode;
}
