/** Where webhooks may go. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { Webhook } from 'standardwebhooks';
import { signWebhook } from '../../../src/activities/webhooks.ts';
import { isPublicAddress } from '../../../src/tools/web/addresses.ts';
import { checkDestination, postTo, RefusedDestination } from '../../../src/tools/web/post.ts';
import { freePort } from '../../helpers/ports.ts';

const internet = (address: string) => ({
  resolve: () => Promise.resolve([{ address, family: 4 }]),
  isPublic: isPublicAddress,
});

describe('posting to webhooks', () => {
  it('refuses names with private addresses, each time that they are used', async () => {
    for (const address of ['10.0.0.1', '127.0.0.1', '169.254.169.254', '192.168.1.1', '0.0.0.0']) {
      await assert.rejects(
        checkDestination(new URL('https://hook.example/'), { internet: internet(address), mayBePrivate: false }),
        (error: Error) => error instanceof RefusedDestination && error.message.includes(address),
      );
    }
    const options = { internet: internet('93.184.216.34'), mayBePrivate: false };
    await checkDestination(new URL('https://hook.example/'), options);
    await assert.rejects(checkDestination(new URL('http://hook.example/'), options), RefusedDestination);
  });

  it('follows no redirect, and does not read what a receiver answers without end', async () => {
    const port = await freePort();
    const paths: string[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url ?? '');
      response.writeHead(302, { location: '/elsewhere' });
      const endless = setInterval(() => response.write('x'.repeat(1_000)), 1);
      response.on('close', () => clearInterval(endless));
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    const options = { headers: {}, body: '{}', internet: internet('127.0.0.1'), mayBePrivate: true, timeoutMs: 5_000 };
    const { status } = await postTo(new URL(`http://hook.example:${port}/hook`), options);
    assert.deepEqual([status, paths], [302, ['/hook']]);
    server.closeAllConnections();
    server.close();
  });

  it('gives up when nothing answers in time', async () => {
    const port = await freePort();
    const server = createServer(() => undefined).listen(port, '127.0.0.1');
    await once(server, 'listening');
    const options = { headers: {}, body: '{}', internet: internet('127.0.0.1'), mayBePrivate: true, timeoutMs: 50 };
    await assert.rejects(postTo(new URL(`http://hook.example:${port}/`), options), /no answer within 0\.05 s/);
    server.closeAllConnections();
    server.close();
  });

  it('signs as another implementation does', () => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const at = new Date('2026-11-27T00:00:00Z');
    const signed = signWebhook(secret, `evt_1.${Math.floor(at.getTime() / 1_000)}.{"a":"ü"}`);
    assert.equal(signed, new Webhook(secret).sign('evt_1', at, '{"a":"ü"}'));
  });
});
