import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { NetworkRules, ToolResult } from '../../../src/contracts/tool.ts';
import type { FetchParts } from '../../../src/tools/fetch-url.ts';
import { fetchUrlWith } from '../../../src/tools/fetch-url.ts';
import { isPublicAddress } from '../../../src/tools/network/addresses.ts';
import type { ToolWorld } from './tool-world.ts';
import { createToolWorld, problemOf } from './tool-world.ts';

const INTRANET: NetworkRules = { allow: [], private: true };
const PUBLIC: NetworkRules = { allow: [], private: false };

/** The text below the facts. */
const body = ({ text }: ToolResult): string => text.slice(text.indexOf('\n\n') + 2);

describe('fetch_url', () => {
  let world: ToolWorld;
  let server: Server;
  let origin: string;
  let port: number;
  let answer: RequestListener;
  /** `host path` of each request that reached the server. */
  let requests: string[];
  before(async () => {
    world = await createToolWorld();
    server = createServer((request, response) => {
      requests.push(`${request.headers.host?.split(':')[0]} ${request.url}`);
      answer(request, response);
    }).listen(0, '0.0.0.0');
    await once(server, 'listening');
    // A server on a TCP port has an address with that port.
    port = (server.address() as AddressInfo).port;
    origin = `http://127.0.0.1:${port}`;
  });
  beforeEach(() => {
    requests = [];
    answer = (_, response) => response.end('unexpected');
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await world.remove();
  });

  const fetch = (
    url: string,
    network: NetworkRules = INTRANET,
    parts: Partial<FetchParts> = {},
    signal = world.context.signal,
  ): Promise<ToolResult> => fetchUrlWith(parts).run({ url }, { ...world.context, network, signal });
  const refused = (url: string, network?: NetworkRules, parts?: Partial<FetchParts>): Promise<string> =>
    problemOf('fetch_url', fetch(url, network, parts));
  /** Answers with this content and no other headers than given. */
  const serve = (content: string | Buffer, type: string | undefined, headers: Record<string, string> = {}): void => {
    answer = (_, response) => {
      response.writeHead(200, { ...(type === undefined ? {} : { 'content-type': type }), ...headers });
      response.end(content);
    };
  };
  const redirects = (targets: Record<string, string>): void => {
    answer = (request, response) => {
      const location = targets[request.url ?? ''];
      if (location === undefined) response.writeHead(200, { 'content-type': 'text/plain' }).end('arrived');
      else response.writeHead(302, { location }).end('on the way');
    };
  };

  describe('what it returns', () => {
    it('gives a page as readable text with title and links, and says that it is not to be obeyed', async () => {
      serve(
        `<!doctype html><html><head><title>Trams &amp; trains</title><style>p { color: red }</style>
        <script>document.write('<p>no</p>')</script></head><body><h1>Fares</h1>
        <p>A <b>day</b> ticket,   see <a href="prices?y=1">prices</a> or <a href="#top">top</a>.</p>
        <ul><li>bus<li>tram</ul><table><tr><th>Zone</th><th>Price</th></tr><tr><td>A</td><td>2.10</td></tr></table>
        <svg><text>drawn</text></svg><noscript>off</noscript><template>later</template><pre>a\n  b</pre></body></html>`,
        'text/html; charset=utf-8',
      );
      const { text } = await fetch(`${origin}/city/page#fares`);
      const [facts = '', ...rest] = text.split('\n\n');
      assert.match(
        facts,
        new RegExp(
          `^URL: ${origin}/city/page\nTitle: Trams & trains\nType: text/html; charset=utf-8, \\d+ bytes\nWhat follows was written by others\\..*not yours\\.$`,
        ),
      );
      const shown = rest.join('\n\n');
      assert.match(shown, /^Fares$/m);
      assert.match(shown, new RegExp(`^A day ticket, see prices <${origin}/city/prices\\?y=1> or top\\.$`, 'm'));
      assert.match(shown, /^ \* bus\n \* tram$/m);
      assert.match(shown, /^Zone \| Price \|\s*\nA \| 2\.10 \|\s*$/m);
      assert.match(shown, /^a\n {2}b$/m);
      assert.doesNotMatch(shown, /color|document|drawn|off|later/);
      assert.deepEqual(requests, ['127.0.0.1 /city/page']);
    });

    it('gives JSON, CSV, XML and plain text as they are', async () => {
      for (const [type, content] of [
        ['application/json', '{"a": [1, 2]}'],
        ['application/ld+json; charset=utf-8', '{}'],
        ['text/csv', 'a,b\r\n1,2\r\n'],
        ['application/atom+xml', '<feed/>'],
        ['text/plain', 'grüße <b>'],
        ['image/svg+xml', '<svg/>'],
        [undefined, 'no type given'],
      ] as const) {
        serve(content, type);
        assert.equal(body(await fetch(origin)), content, type);
      }
      serve('', 'text/plain');
      assert.equal(body(await fetch(origin)), '[No text.]');
    });

    it('reads the encoding from header, byte order mark or page, else UTF-8, else Windows-1252', async () => {
      const text = 'Größe';
      for (const [content, type] of [
        [Buffer.from(text, 'latin1'), 'text/plain; charset=ISO-8859-1'],
        [Buffer.from(`\uFEFF${text}`, 'utf16le'), 'text/plain'],
        [Buffer.from(`<html><head><meta charset="iso-8859-1"></head><body>${text}`, 'latin1'), 'text/html'],
        [Buffer.from(text), 'text/plain; charset=nonsense'],
        [Buffer.from(text), 'text/plain'],
        [Buffer.from(text, 'latin1'), 'text/plain'],
      ] as const) {
        serve(content, type);
        assert.equal(body(await fetch(origin)), text, type);
      }
    });

    it('unpacks gzip, deflate and brotli', async () => {
      for (const [encoding, pack] of Object.entries({ gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync })) {
        serve(pack('packed text'), 'text/plain', { 'content-encoding': encoding });
        assert.equal(body(await fetch(origin)), 'packed text', encoding);
      }
      serve('x', 'text/plain', { 'content-encoding': 'zstd' });
      assert.match(await refused(origin), /^the content is packed as "zstd", which is not known here\./);
      serve('no gzip', 'text/plain', { 'content-encoding': 'gzip' });
      assert.match(await refused(origin), /is packed in a wrong way \(Z_DATA_ERROR\)\./);
      serve(gzipSync('packed text').subarray(0, 15), 'text/plain', { 'content-encoding': 'gzip' });
      assert.match(await refused(origin), /is packed in a wrong way \(Z_BUF_ERROR\)\./);
    });

    it('sends a plain GET without cookies or credentials', async () => {
      let seen: IncomingMessage | undefined;
      answer = (request, response) => {
        seen = request;
        response.writeHead(200, { 'content-type': 'text/plain', 'set-cookie': 'a=b' }).end('ok');
      };
      await fetch(`${origin}/a%20b?q=ü`);
      assert.equal(seen?.method, 'GET');
      assert.equal(seen?.url, '/a%20b?q=%C3%BC');
      assert.match(seen?.headers['user-agent'] ?? '', /^durable-copilot\/\d/);
      assert.deepEqual(Object.keys(seen?.headers ?? {}).sort(), [
        'accept',
        'accept-encoding',
        'connection',
        'host',
        'user-agent',
      ]);
    });
  });

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
          await refused(`http://${host}:${port}/`, PUBLIC),
          /is not a public address\. Use a public site; the operator may allow others by COPILOT_FETCH_PRIVATE=1\.$/,
          host,
        );
      }
      assert.deepEqual(requests, []);
    });

    it('refuses a name that leads to a private address, also where that is one of several', async () => {
      for (const host of ['localhost', 'LOCALHOST', 'localhost.']) {
        assert.match(
          await refused(`http://${host}:${port}/`, PUBLIC),
          /^"localhost" has the address (127\.0\.0\.1|::1), which is not a public address\./,
        );
      }
      const resolve = (): Promise<LookupAddress[]> =>
        Promise.resolve([
          { address: '93.184.215.14', family: 4 },
          { address: '::ffff:10.0.0.1', family: 6 },
        ]);
      assert.match(
        await refused('http://rebind.example/', PUBLIC, { internet: { resolve, isPublic: isPublicAddress } }),
        /^"rebind.example" has the address ::ffff:10\.0\.0\.1, which is not a public address\./,
      );
      assert.deepEqual(requests, []);
    });

    it('looks a name up once, so that it cannot change its address between check and connection', async () => {
      let lookUps = 0;
      const resolve = (): Promise<LookupAddress[]> =>
        Promise.resolve([{ address: ++lookUps === 1 ? '127.0.0.2' : '127.0.0.1', family: 4 }]);
      let connectedTo: string | undefined;
      answer = ({ socket }, response) => {
        connectedTo = socket.localAddress;
        response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
      };
      const isPublic = (address: string): boolean => address === '127.0.0.2';
      await fetch(`http://rebind.example:${port}/`, PUBLIC, { internet: { resolve, isPublic } });
      assert.deepEqual([lookUps, connectedTo], [1, '127.0.0.2']);
      assert.deepEqual(requests, ['rebind.example /']);
    });

    it('keeps to the allow-list, where there is one', async () => {
      serve('ok', 'text/plain');
      const resolve = (): Promise<LookupAddress[]> => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
      const parts = { internet: { resolve, isPublic: isPublicAddress } };
      const rules = { allow: ['example.org', '*.example.com', '127.0.0.1'], private: true };
      for (const host of ['example.org', 'EXAMPLE.org.', 'a.example.com', 'a.b.example.com', '127.0.0.1', '127.1']) {
        assert.equal(body(await fetch(`http://${host}:${port}/`, rules, parts)), 'ok', host);
      }
      for (const host of ['a.example.org', 'example.com', 'notexample.com', 'example.org.evil.net', '127.0.0.2']) {
        assert.equal(
          await refused(`http://${host}:${port}/`, rules, parts),
          `"${host}" is not allowed. Allowed hosts: example.org, *.example.com, 127.0.0.1. Use one of these; the operator sets them in COPILOT_FETCH_ALLOW.`,
        );
      }
      assert.equal(requests.length, 6);
      assert.match(await refused(origin, { ...rules, private: false }, parts), /is not a public address/);
    });

    it('refuses other schemes, user names and passwords, and what is no URL', async () => {
      for (const url of [
        'file:///etc/passwd',
        'ftp://example.org/',
        'data:text/plain,x',
        'javascript:1',
        'gopher://x',
      ]) {
        assert.match(await refused(url), /is not fetched: only http and https are\./, url);
      }
      const secret = await refused(`http://user:hunter2@127.0.0.1:${port}/`);
      assert.match(secret, /has a user name or password in it, which is not sent\./);
      assert.doesNotMatch(secret, /hunter2/);
      for (const url of ['example.org', '/page', 'http://', 'http://a b/', 'http://[::1', 'http://x:99999/']) {
        assert.match(await refused(url), /is no URL\. Give a whole one/, url);
      }
      assert.deepEqual(requests, []);
    });
  });

  describe('redirects', () => {
    it('follows them, relative ones too, and names where they led', async () => {
      redirects({ '/a': '/b?x=1', '/b?x=1': `${origin}/c/d`, '/c/d': '../e#part', '/e': 'f', '/f': '/g' });
      const { text } = await fetch(`${origin}/a`);
      assert.match(text, new RegExp(`^URL: ${origin}/g\n[^]*\n\narrived$`));
    });

    it('stops after five, and at once in a circle', async () => {
      redirects({ '/1': '/2', '/2': '/3', '/3': '/4', '/4': '/5', '/5': '/6', '/6': '/7' });
      assert.match(await refused(`${origin}/1`), /redirects more than 5 times\./);
      assert.equal(requests.length, 6);
      requests = [];
      redirects({ '/a': '/b', '/b': '/a#again' });
      assert.match(await refused(`${origin}/a`), /\/a" redirects in a circle\./);
      assert.equal(requests.length, 2);
    });

    it('checks each as it checks the first URL', async () => {
      // The server answers on every address of 127/8; one of them stands for the public internet.
      const internet = {
        resolve: (host: string): Promise<LookupAddress[]> =>
          Promise.resolve([{ address: host === 'public.example' ? '127.0.0.2' : '127.0.0.1', family: 4 }]),
        isPublic: (address: string): boolean => address === '127.0.0.2',
      };
      const from = `http://public.example:${port}`;
      for (const [target, problem] of [
        [`http://127.0.0.1:${port}/secret`, /^"127\.0\.0\.1" is not a public address/],
        [`//2130706433:${port}/secret`, /^"127\.0\.0\.1" is not a public address/],
        [`http://intranet.example:${port}/secret`, /^"intranet\.example" has the address 127\.0\.0\.1/],
        [`http://[::1]:${port}/secret`, /^"::1" is not a public address/],
        ['file:///etc/passwd', /only http and https/],
        [`http://user:pw@public.example:${port}/secret`, /has a user name or password/],
        ['http://', /is no URL/],
      ] as const) {
        redirects({ '/a': target });
        assert.match(await refused(`${from}/a`, PUBLIC, { internet }), problem, target);
      }
      redirects({ '/a': `http://127.0.0.1:${port}/secret` });
      const rules = { allow: ['public.example'], private: true };
      assert.match(await refused(`${from}/a`, rules, { internet }), /^"127\.0\.0\.1" is not allowed\./);
      assert.deepEqual([...new Set(requests)], ['public.example /a']);
      redirects({ '/a': '/b' });
      assert.equal(body(await fetch(`${from}/a`, PUBLIC, { internet })), 'arrived');
    });
  });

  describe('what it does not take', () => {
    it('refuses binary content by its type, and content that is not what its type says', async () => {
      for (const type of ['image/png', 'application/pdf', 'application/octet-stream', 'application/zip', 'video/mp4']) {
        serve(Buffer.from([0x89, 0x50, 0, 1]), type);
        assert.match(await refused(origin), new RegExp(`^the content is "${type}", and only text is fetched`));
      }
      for (const type of ['text/plain', undefined, 'application/json']) {
        serve(Buffer.from([0x89, 0x50, 0, 1]), type);
        assert.match(await refused(origin), /is binary, and only text is fetched\./, type);
      }
    });

    it('names the status of an answer that is no success, and what to do', async () => {
      for (const [status, problem] of [
        [404, /answered 404 Not Found\. Check the URL/],
        [403, /answered 403 Forbidden\. It is not open to everybody/],
        [429, /answered 429 Too Many Requests\. Try again later/],
        [503, /answered 503 Service Unavailable\. Try again later/],
        [304, /answered 304 Not Modified\. Use another URL/],
        [302, /answered 302 Found\. Use another URL/],
      ] as const) {
        answer = (_, response) => void response.writeHead(status).end(status === 304 ? undefined : 'page');
        assert.match(await refused(origin), problem);
      }
    });

    it('refuses more than 2 MiB, declared or not, without reading on', async () => {
      const maxBytes = 2 * 1024 * 1024;
      serve('x'.repeat(maxBytes), 'text/plain');
      assert.equal(body(await fetch(origin)).length, maxBytes);
      serve('x'.repeat(maxBytes + 1), 'text/plain');
      assert.match(await refused(origin), /has more than 2097152 bytes, which is the limit\./);
      let sent = 0;
      answer = (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        const more = (): void => {
          if (response.destroyed || sent > 500_000_000) return;
          sent += 65_536;
          response.write(Buffer.alloc(65_536, 'x'), more);
        };
        more();
      };
      assert.match(await refused(origin), /has more than 2097152 bytes/);
      assert.ok(sent < 100_000_000, `${sent} bytes sent`);
    });

    it('refuses a small packed body that unpacks to a huge one, and a huge one that unpacks to nothing', async () => {
      const bombs = {
        gzip: gzipSync(Buffer.alloc(300_000_000, 'x')),
        br: brotliCompressSync(Buffer.alloc(50_000_000)),
      };
      for (const [encoding, bomb] of Object.entries(bombs)) {
        serve(bomb, 'text/html', { 'content-encoding': encoding });
        const before = process.memoryUsage().rss;
        assert.match(await refused(origin), /has more than 2097152 bytes/, encoding);
        assert.ok(process.memoryUsage().rss - before < 100_000_000, encoding);
      }
      // Empty blocks of deflate: five bytes each that stand for none.
      const head = gzipSync('').subarray(0, 10);
      const empty = Buffer.alloc(5 * 800_000, Buffer.from([0, 0, 0, 0xff, 0xff]));
      answer = (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' });
        response.write(head);
        response.end(empty);
      };
      assert.match(await refused(origin), /has more than 2097152 bytes/);
    });

    it('gives up on a server that is silent, a body that drips, and a name that is never found', async () => {
      const late = /^".*" did not answer in full within 0\.3 s\. Use another URL\.$/;
      const quick = { timeoutMs: 300 };
      answer = () => undefined;
      assert.match(await refused(origin, INTRANET, quick), late);
      const drip = (response: ServerResponse): void => {
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
      };
      answer = (_, response) => drip(response.writeHead(200, { 'content-type': 'text/plain' }));
      assert.match(await refused(origin, INTRANET, quick), late);
      redirects({ '/a': '/b' });
      const redirecting = answer;
      answer = (request, response) => {
        setTimeout(() => {
          if (request.url === '/a') redirecting(request, response);
          else drip(response.writeHead(200));
        }, 100);
      };
      assert.match(await refused(`${origin}/a`, INTRANET, quick), late);
      const internet = { resolve: () => new Promise<never>(() => undefined), isPublic: () => true };
      assert.match(await refused('http://slow.example/', PUBLIC, { ...quick, internet }), late);
    });

    it('closes its connection when the turn is interrupted, and leaves the reason as it is', async () => {
      const interrupt = new AbortController();
      const closed = new Promise<void>((resolve) => {
        answer = (_, response) => {
          response.on('close', resolve);
          response.writeHead(200, { 'content-type': 'text/plain' });
          response.write('x', () => interrupt.abort(new Error('interrupted')));
        };
      });
      await assert.rejects(fetch(origin, INTRANET, {}, interrupt.signal), { message: 'interrupted' });
      await closed;
      await assert.rejects(fetch(origin, INTRANET, {}, interrupt.signal), { message: 'interrupted' });
      assert.equal(requests.length, 1);
    });

    it('says when a host does not exist, refuses, breaks off, or does not speak HTTP', async () => {
      const missing = Object.assign(new Error('getaddrinfo ENOTFOUND no.example'), { code: 'ENOTFOUND' });
      const internet = { resolve: () => Promise.reject(missing), isPublic: isPublicAddress };
      assert.equal(
        await refused('http://no.example/', PUBLIC, { internet }),
        'there is no host "no.example". Check the name.',
      );
      const talk = async (onConnection: (socket: Socket) => void): Promise<string> => {
        const tcp = createTcpServer(onConnection).listen(0, '127.0.0.1');
        await once(tcp, 'listening');
        try {
          return await refused(`http://127.0.0.1:${(tcp.address() as AddressInfo).port}/`);
        } finally {
          tcp.close();
        }
      };
      const reply = (text: string) => (socket: Socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(text));
      };
      assert.match(await talk(reply('SSH-2.0-OpenSSH_9.2\r\n')), /cannot be read \(HPE_INVALID_CONSTANT\)/);
      assert.match(await talk(reply('')), /cannot be read \(ECONNRESET\)/);
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n';
      assert.match(await talk(reply(`${head}content-length: 100\r\n\r\nhalf`)), /cannot be read \(ECONNRESET\)/);
      assert.match(await talk(reply(`${head}x: ${'y'.repeat(100_000)}\r\n\r\n`)), /\(HPE_HEADER_OVERFLOW\)/);
      const tcp = createTcpServer().listen(0, '127.0.0.1');
      await once(tcp, 'listening');
      const { port: free } = tcp.address() as AddressInfo;
      tcp.close();
      await once(tcp, 'close');
      assert.match(await refused(`http://127.0.0.1:${free}/`), /cannot be read \(ECONNREFUSED\)/);
    });

    it('refuses a certificate that nobody vouches for', async function () {
      const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(world.folder, name)) as [string, string];
      const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-days', '1'];
      try {
        execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
      } catch {
        this.skip();
      }
      const tls = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }).listen(0, '127.0.0.1');
      await once(tls, 'listening');
      try {
        assert.match(
          await refused(`https://localhost:${(tls.address() as AddressInfo).port}/`),
          /^the certificate of "localhost:\d+" is not valid \(DEPTH_ZERO_SELF_SIGNED_CERT\)\./,
        );
      } finally {
        tls.close();
      }
    });

    it('ends HTML that takes too long to read, and the program goes on meanwhile', async function () {
      this.timeout(30_000);
      serve('<div>'.repeat(300_000), 'text/html');
      let ticks = 0;
      const timer = setInterval(() => ticks++, 50);
      try {
        assert.match(await refused(origin), /^the HTML of ".*" cannot be read \(it needs too much (time|memory)\)\./);
        assert.ok(ticks > 20, `${ticks} ticks`);
      } finally {
        clearInterval(timer);
      }
    });
  });
});
