import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { loadConfig } from '../../../src/config.ts';
import { isPublicAddress } from '../../../src/tools/web/addresses.ts';
import type { FetchWorld } from './fetch-world.ts';
import { body, createFetchWorld, PUBLIC } from './fetch-world.ts';

describe('the destinations of fetch_url', () => {
  let world: FetchWorld;
  before(async () => {
    world = await createFetchWorld();
  });
  beforeEach(() => world.answer((_, response) => response.end('unexpected')));
  after(() => world.close());

  describe('where it goes', () => {
    it('tells public addresses from all others', () => {
      const closed = [
        ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
        ...['169.254.169.254', '100.64.0.1', '100.100.100.200', '168.63.129.16', '192.0.0.192', '224.0.0.1'],
        ...['239.255.255.250', '255.255.255.255', '240.0.0.1', '198.18.0.1', '192.0.2.1', '203.0.113.7'],
        ...['::', '::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', 'fe80::1', 'fe80::1%lo', 'fc00::1'],
        ...['fd00:ec2::254', 'ff02::1', '64:ff9b::7f00:1', '64:ff9b:1::a00:1', '2002:7f00:1::', '2001::1'],
        ...['2001:db8::1', '3fff::1', '4000::1', '100::1', 'fec0::1', 'localhost', '', '127.1', '8.8.8'],
      ];
      assert.deepEqual(closed.filter(isPublicAddress), []);
      const open = ['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.0.1', '100.128.0.1', '192.0.1.1'];
      const open6 = ['2001:4860:4860::8888', '2606:4700::1111', '2a00:1450:4001::1', '2001:200::1', '2003::1'];
      assert.deepEqual(
        [...open, ...open6].filter((address) => !isPublicAddress(address)),
        [],
      );
    });

    it('refuses a private address in every form in which it can be written, without connecting', async () => {
      for (const host of [
        ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '017700000001'],
        ...['0', '0.0.0.0', '①②⑦.⓪.⓪.①', '127。0。0。1', '127.0.0.1.', '%31%32%37.0.0.1', '169.254.169.254'],
        ...['[::1]', '[0:0:0:0:0:0:0:1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]'],
        ...['[64:ff9b::127.0.0.1]', '[2002:7f00:1::]', '[fe80::1]', '[fd00:ec2::254]'],
      ]) {
        assert.match(
          await world.refused(`http://${host}:${world.port}/`, PUBLIC),
          /is not a public address\. Use a public site; the operator can allow others with COPILOT_FETCH_PRIVATE=1\.$/,
          host,
        );
      }
      assert.deepEqual(world.requests, []);
    });

    it('refuses a name that leads to a private address, also where that is one of several', async () => {
      for (const host of ['localhost', 'LOCALHOST', 'localhost.']) {
        assert.match(
          await world.refused(`http://${host}:${world.port}/`, PUBLIC),
          /^"localhost" has the address (127\.0\.0\.1|::1), which is not a public address\./,
        );
      }
      const resolve = (): Promise<LookupAddress[]> =>
        Promise.resolve([
          { address: '93.184.215.14', family: 4 },
          { address: '::ffff:10.0.0.1', family: 6 },
        ]);
      assert.match(
        await world.refused('http://rebind.example/', PUBLIC, { internet: { resolve, isPublic: isPublicAddress } }),
        /^"rebind.example" has the address ::ffff:10\.0\.0\.1, which is not a public address\./,
      );
      assert.deepEqual(world.requests, []);
    });

    it('looks a name up once, so that it cannot change its address between check and connection', async () => {
      let lookUps = 0;
      const resolve = (): Promise<LookupAddress[]> =>
        Promise.resolve([{ address: ++lookUps === 1 ? '127.0.0.2' : '127.0.0.1', family: 4 }]);
      let connectedTo: string | undefined;
      world.answer(({ socket }, response) => {
        connectedTo = socket.localAddress;
        response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
      });
      const isPublic = (address: string): boolean => address === '127.0.0.2';
      await world.fetch(`http://rebind.example:${world.port}/`, PUBLIC, { internet: { resolve, isPublic } });
      assert.deepEqual([lookUps, connectedTo], [1, '127.0.0.2']);
      assert.deepEqual(world.requests, ['rebind.example /']);
    });

    it('keeps to the allow-list, where there is one', async () => {
      world.serve('ok', 'text/plain');
      const resolve = (): Promise<LookupAddress[]> => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
      const parts = { internet: { resolve, isPublic: isPublicAddress } };
      const rules = { allow: ['example.org', '*.example.com', '127.0.0.1'], private: true };
      for (const host of ['example.org', 'EXAMPLE.org.', 'a.example.com', 'a.b.example.com', '127.0.0.1', '127.1']) {
        assert.equal(body(await world.fetch(`http://${host}:${world.port}/`, rules, parts)), 'ok', host);
      }
      for (const host of ['a.example.org', 'example.com', 'notexample.com', 'example.org.evil.net', '127.0.0.2']) {
        assert.equal(
          await world.refused(`http://${host}:${world.port}/`, rules, parts),
          `"${host}" is not allowed. Allowed hosts: example.org, *.example.com, 127.0.0.1. Use one of these; the operator can add hosts in COPILOT_FETCH_ALLOW.`,
        );
      }
      assert.equal(world.requests.length, 6);
      assert.match(await world.refused(world.origin, { ...rules, private: false }, parts), /is not a public address/);
    });

    it('refuses other schemes, user names and passwords, and what is no URL', async () => {
      for (const url of [
        'file:///etc/passwd',
        'ftp://example.org/',
        'data:text/plain,x',
        'javascript:1',
        'gopher://x',
      ]) {
        assert.match(await world.refused(url), /has a scheme other than http and https\./, url);
      }
      const secret = await world.refused(`http://user:hunter2@127.0.0.1:${world.port}/`);
      assert.match(secret, /contains a user name or password, which fetch_url does not send\./);
      assert.doesNotMatch(secret, /hunter2/);
      for (const url of ['example.org', '/page', 'http://', 'http://a b/', 'http://[::1', 'http://x:99999/']) {
        assert.match(await world.refused(url), /is not a URL\. Give a whole one/, url);
      }
      assert.deepEqual(world.requests, []);
    });
  });

  describe('redirects', () => {
    it('follows them, relative ones too, and names where they led', async () => {
      world.redirect({ '/a': '/b?x=1', '/b?x=1': `${world.origin}/c/d`, '/c/d': '../e#part', '/e': 'f', '/f': '/g' });
      const { text } = await world.fetch(`${world.origin}/a`);
      assert.match(text, new RegExp(`^URL: ${world.origin}/g\n[^]*\n\narrived$`));
    });

    it('stops after five, and at once in a circle', async () => {
      world.redirect({ '/1': '/2', '/2': '/3', '/3': '/4', '/4': '/5', '/5': '/6', '/6': '/7' });
      assert.match(await world.refused(`${world.origin}/1`), /redirects more than 5 times\./);
      assert.equal(world.requests.length, 6);
      world.redirect({ '/a': '/b', '/b': '/a#again' });
      assert.match(await world.refused(`${world.origin}/a`), /\/a" redirects in a circle\./);
      assert.equal(world.requests.length, 2);
    });

    it('checks each as it checks the first URL', async () => {
      // The server answers on every address of 127/8; one of them stands for the public internet.
      const internet = {
        resolve: (host: string): Promise<LookupAddress[]> =>
          Promise.resolve([{ address: host === 'public.example' ? '127.0.0.2' : '127.0.0.1', family: 4 }]),
        isPublic: (address: string): boolean => address === '127.0.0.2',
      };
      const from = `http://public.example:${world.port}`;
      for (const [target, problem] of [
        [`http://127.0.0.1:${world.port}/secret`, /^"127\.0\.0\.1" is not a public address/],
        [`//2130706433:${world.port}/secret`, /^"127\.0\.0\.1" is not a public address/],
        [`http://intranet.example:${world.port}/secret`, /^"intranet\.example" has the address 127\.0\.0\.1/],
        [`http://[::1]:${world.port}/secret`, /^"::1" is not a public address/],
        ['file:///etc/passwd', /has a scheme other than http and https/],
        [`http://user:pw@public.example:${world.port}/secret`, /contains a user name or password/],
        ['http://', /is not a URL/],
      ] as const) {
        world.redirect({ '/a': target });
        assert.match(await world.refused(`${from}/a`, PUBLIC, { internet }), problem, target);
        assert.deepEqual(world.requests, ['public.example /a']);
      }
      world.redirect({ '/a': `http://127.0.0.1:${world.port}/secret` });
      const rules = { allow: ['public.example'], private: true };
      assert.match(await world.refused(`${from}/a`, rules, { internet }), /^"127\.0\.0\.1" is not allowed\./);
      assert.deepEqual(world.requests, ['public.example /a']);
      world.redirect({ '/a': '/b' });
      assert.equal(body(await world.fetch(`${from}/a`, PUBLIC, { internet })), 'arrived');
    });
  });

  describe('as configured', () => {
    it('is every public host and none else without configuration', () => {
      assert.deepEqual(loadConfig({}).network, { allow: [], private: false });
      assert.equal(loadConfig({ COPILOT_FETCH_PRIVATE: '1' }).network.private, true);
    });

    it('takes hosts as people write them and keeps them as URLs have them', () => {
      const allow = 'Example.org, *.example.com,münchen.de.,10.0.0.5,[0:0::1],localhost';
      assert.deepEqual(loadConfig({ COPILOT_FETCH_ALLOW: allow }).network.allow, [
        'example.org',
        '*.example.com',
        'xn--mnchen-3ya.de',
        '10.0.0.5',
        '::1',
        'localhost',
      ]);
    });

    it('refuses what is no host, rather than to allow everything', () => {
      for (const allow of [
        'https://example.org',
        'example.org:80',
        'a.org,',
        ' ',
        '*',
        'a.*.org',
        'a b',
        '*.',
        'a/b',
      ]) {
        assert.throws(() => loadConfig({ COPILOT_FETCH_ALLOW: allow }), {
          message: /^COPILOT_FETCH_ALLOW=.* is not valid: use host names separated by commas, such as example\.org,/,
        });
      }
      assert.throws(() => loadConfig({ COPILOT_FETCH_PRIVATE: 'yes' }), { message: /use 1 for yes or 0 for no/ });
    });
  });
});
