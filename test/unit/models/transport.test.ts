import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openTransport } from '../../../src/models/transport.ts';
import { until } from '../../helpers/history.ts';

describe('models: connections', () => {
  let server: Server;
  let url: string;
  let connections: number;
  let requests: number;

  beforeEach(async () => {
    connections = requests = 0;
    server = createServer((request, response) => {
      requests += 1;
      if (request.url === '/quick') response.end('quick');
    });
    server.on('connection', (socket) => {
      connections += 1;
      socket.once('close', () => (connections -= 1));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
  });
  afterEach(() => {
    server.close().closeAllConnections();
  });

  it('are gone after close, also the one of a call under way, which is not made again', async () => {
    const transport = openTransport({ firstByteMs: 10_000, betweenBytesMs: 10_000 });
    assert.equal(await (await transport.fetch(`${url}/quick`)).text(), 'quick');
    // On the kept connection: where a server had closed that, the call would be sent again.
    const pending = transport.fetch(`${url}/slow`);
    await until('the call', async () => requests === 2);
    transport.close();
    await assert.rejects(pending);
    await until('closed connections', async () => connections === 0);
    assert.equal(requests, 2);
  });

  it('are not opened after close', async () => {
    const transport = openTransport({ firstByteMs: 10_000, betweenBytesMs: 10_000 });
    transport.close();
    await assert.rejects(transport.fetch(`${url}/quick`), /its connections are closed/);
    assert.equal(requests, 0);
  });
});
