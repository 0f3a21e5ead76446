/** Rules, ceilings, edited arguments and imports, tried as an attacker would. Real server and workers, a scripted model. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { CreateOptions, SessionExport, SessionHandle } from '../../../src/client.ts';
import { digestOf } from '../../../src/contracts/digest.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling } from '../../helpers/replies.ts';
import { decideNext, nextRequest } from '../../helpers/requests.ts';
import { playTeam } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const TOOLS = ['shell', 'write_file', 'read_file', 'fetch_url'];
/** Run by a command if it gets through. */
const MARK = 'touch marked';

interface Site {
  readonly origin: string;
  /** Paths in the order in which they were asked for. */
  readonly requests: string[];
  readonly redirects: Record<string, string>;
  close(): Promise<void>;
}

/** A web site on loopback. */
async function startSite(): Promise<Site> {
  const site = { requests: [] as string[], redirects: {} as Record<string, string> };
  const server = createServer(({ url = '' }, response) => {
    site.requests.push(url);
    const location = site.redirects[url];
    if (location === undefined) response.writeHead(200, { 'content-type': 'text/plain' }).end(`this is ${url}`);
    else response.writeHead(302, { location }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // of a server that listens on TCP
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { ...site, origin: `http://127.0.0.1:${port}`, close };
}

describe('what runs without being asked', function () {
  this.timeout(400_000);
  let world: World;

  before(async () => {
    const agents = { engineer: { tools: TOOLS }, writer: { tools: TOOLS } };
    world = await startWorldOf({ default: { agents } }, { env: { COPILOT_FETCH_PRIVATE: '1' } });
  });
  after(() => world.stop());

  /** What the agent was told about its calls, round by round; the model repeats the last word. */
  let told: string[];

  /** A direct answer whose agent makes these calls, one round each. */
  function script(...calls: readonly (readonly [name: string, args: object])[]): void {
    told = [];
    playTeam(world.model, {
      instead: ({ phase, lastRole, last, messages }) => {
        if (phase !== 'one-shot') return undefined;
        const rounds = messages
          .slice(messages.findLastIndex(([role]) => role === 'user'))
          .filter(([role]) => role === 'tool').length;
        if (lastRole === 'tool') told[rounds - 1] = last;
        const call = calls[rounds];
        return call ? calling(call) : { text: 'that is all' };
      },
    });
  }

  const create = (options: CreateOptions = {}): Promise<SessionHandle> =>
    world.copilot.create({ mode: 'one-shot', ...options });

  async function filesOf({ id }: SessionHandle): Promise<string[]> {
    const folder = join(world.server.homeDir, 'workspaces', id);
    return existsSync(folder) ? await readdir(folder) : [];
  }

  it('[H10] a call is made with the arguments of a person: the record has both, the agent is told', async () => {
    script(['shell', { command: MARK }]);
    const session = await create();
    const { turnId: turn } = { turnId: (await session.send('do it', { wait: false })).id };
    const request = await nextRequest(session);
    for (const edited of [{ cmd: 'ls' }, { command: 7 }, {}]) {
      await assert.rejects(session.decide(request.id, 'once', { arguments: edited }), { type: 'InvalidInput' });
    }
    await assert.rejects(session.decide(request.id, 'deny', { arguments: { command: 'ls' } }), {
      type: 'InvalidInput',
    });
    assert.deepEqual(await session.requests(), [request]);
    await session.decide(request.id, 'once', {
      by: 'ada',
      digest: request.digest,
      arguments: { command: 'touch safe' },
    });
    assert.equal((await session.awaitTurn(turn)).status, 'completed');
    assert.deepEqual(await filesOf(session), ['safe']);
    assert.match(told[0] ?? '', /^\[ada changed the arguments of this call\. It ran with \{"command":"touch safe"\}/);
    const record = await session.request(request.id);
    assert.deepEqual(JSON.parse(record.tool?.arguments ?? ''), { command: MARK });
    assert.ok('verdict' in record);
    assert.deepEqual([record.verdict.by, record.verdict.arguments], ['ada', '{"command":"touch safe"}']);
  });

  it('[H10] other arguments that a rule denies are refused, and the request waits', async () => {
    script(['shell', { command: 'ls' }]);
    const session = await create({ config: { approvals: { rules: { 'shell: touch *': 'deny' } } } });
    await session.send('do it', { wait: false });
    const request = await nextRequest(session);
    const edit = session.decide(request.id, 'once', { arguments: { command: MARK } });
    await assert.rejects(edit, { type: 'InvalidInput', message: /"shell: touch \*" denies/ });
    await decideNext(session, 'deny');
  });

  it('[H11] a rule for a tool that the team does not have is refused: misspelt, it would deny nothing', async () => {
    for (const rule of ['shel', 'shel: rm *', 'tickets.*']) {
      const config = { approvals: { rules: { [rule]: 'deny' as const } } };
      const refused = { type: 'InvalidInput', message: /names no category and no tool of the team, which has .*shell/ };
      await assert.rejects(create({ config }), refused);
      const session = await create();
      await assert.rejects(session.configure(config), refused);
    }
  });

  it('[H11] a rule whose pattern can match no call is refused with the reason, by create, configure and a decision', async () => {
    const wrong: readonly (readonly [rule: string, problem: RegExp])[] = [
      ['shell: ls; rm *', /the pattern "ls; rm \*" matches nothing: it must be one command/],
      ['shell: echo $(id)', /it must be one command of plain or quoted words/],
      ['fetch_url: docs.example.org/*', /it must have a scheme and a host/],
      ['write_file: /etc/**', /paths are relative to the workspace/],
      ['read_file: a/../../b', /paths are relative to the workspace/],
    ];
    const session = await create();
    for (const [rule, message] of wrong) {
      const config = { approvals: { rules: { [rule]: 'deny' as const } } };
      await assert.rejects(create({ config }), { type: 'InvalidInput', message });
      await assert.rejects(session.configure(config), { type: 'InvalidInput', message });
    }
    const right = ['shell: git "log" *', 'fetch_url: https://*.example.org/a*', 'write_file: reports/../out/**'];
    await session.configure({ approvals: { rules: Object.fromEntries(right.map((rule) => [rule, 'deny' as const])) } });

    script(['shell', { command: 'ls' }]);
    await session.send('do it', { wait: false });
    const { id } = await nextRequest(session);
    const given = session.decide(id, 'session', { rule: 'shell: ls; rm *' });
    await assert.rejects(given, { type: 'InvalidInput', message: /matches nothing: it must be one command/ });
    await decideNext(session, 'deny');
  });

  it('[H11] a rule allows its commands and no others; what is allowed for the session by a rule is as narrow', async () => {
    script(
      ['shell', { command: 'ls -a' }],
      ['shell', { command: `ls; ${MARK}` }],
      ['shell', { command: 'echo hi' }],
      ['shell', { command: 'echo ho' }],
    );
    const session = await create({ config: { approvals: { rules: { 'shell: ls *': 'allow' } } } });
    const { id: turn } = await session.send('do it', { wait: false });
    const attack = await decideNext(session, 'deny');
    assert.deepEqual(JSON.parse(attack.tool?.arguments ?? ''), { command: `ls; ${MARK}` });
    assert.deepEqual(attack.tool?.covers, { tools: ['shell'] });
    const echo = await nextRequest(session);
    assert.deepEqual(echo.tool?.covers, { tools: ['shell'], rule: 'shell: echo hi' });
    await assert.rejects(session.decide(echo.id, 'session', { rule: 'fetch_url: https://a/*' }), {
      type: 'InvalidInput',
    });
    await session.decide(echo.id, 'session', { rule: 'shell: echo hi' });
    const other = await decideNext(session, 'session', { rule: 'shell: echo *' });
    assert.deepEqual(JSON.parse(other.tool?.arguments ?? ''), { command: 'echo ho' });
    assert.equal((await session.awaitTurn(turn)).status, 'completed');
    assert.deepEqual(await filesOf(session), []);

    script(['shell', { command: 'echo again' }], ['shell', { command: `echo $(${MARK})` }]);
    await session.send('again', { wait: false });
    const substitution = await nextRequest(session);
    assert.match(substitution.tool?.arguments ?? '', /\$\(touch/);
    await session.configure({ approvals: { rules: { 'shell: echo *': 'deny' } } });
    await session.decide(substitution.id, 'once');
    await session.awaitTurn(substitution.turnId);
    assert.match(told[1] ?? '', /^shell was not called: the rule "shell: echo \*" denies it/);
    assert.deepEqual(await filesOf(session), []);
  });

  it('[H11] a redirect is followed only to what the rules allow as well, or on the site that a person approved', async () => {
    const [site, other] = [await startSite(), await startSite()];
    try {
      const { origin } = site;
      Object.assign(site.redirects, {
        '/docs/a': '/docs/b',
        '/docs/out': '/secret',
        '/docs/up': '/docs/%2e%2e/secret',
        '/docs/kept': '/docs/private/key',
        '/docs/away': `${other.origin}/docs/b`,
        '/docs/chain': '/docs/out',
      });
      const rules = {
        [`fetch_url: ${origin}/docs/*`]: 'allow' as const,
        [`fetch_url: ${origin}/docs/private*`]: 'deny' as const,
      };
      const session = await create({ config: { approvals: { tools: { network: 'ask' }, rules } } });
      const fetching = async (path: string): Promise<string> => {
        script(['fetch_url', { url: origin + path }]);
        assert.equal((await session.send(path)).status, 'completed', path);
        return told[0] ?? '';
      };
      assert.match(await fetching('/docs/a'), /this is \/docs\/b/);
      for (const path of ['/docs/out', '/docs/up', '/docs/kept', '/docs/away', '/docs/chain']) {
        assert.match(await fetching(path), /redirects to .*, which was not allowed with it/, path);
      }
      const asked = [
        '/docs/a',
        '/docs/b',
        '/docs/out',
        '/docs/up',
        '/docs/kept',
        '/docs/away',
        '/docs/chain',
        '/docs/out',
      ];
      assert.deepEqual([site.requests.splice(0), other.requests], [asked, []]);

      // What a person approves may go on within the same site, and not to what a rule denies.
      Object.assign(site.redirects, { '/x': '/y', '/z': '/docs/private/key', '/away': `${other.origin}/y` });
      for (const [path, found] of [
        ['/x', /this is \/y/],
        ['/z', /was not allowed with it/],
        ['/away', /was not allowed with it/],
      ] as const) {
        script(['fetch_url', { url: origin + path }]);
        await session.send(path, { wait: false });
        const { turnId } = await decideNext(session, 'once');
        await session.awaitTurn(turnId);
        assert.match(told[0] ?? '', found, path);
      }
      assert.deepEqual([site.requests, other.requests], [['/x', '/y', '/z', '/away'], []]);
    } finally {
      await Promise.all([site.close(), other.close()]);
    }
  });

  it('[H12] a relabelled import cannot run a command unasked, nor after configure; [H13] it grants nothing', async () => {
    script();
    const session = await create();
    await session.send('hello');
    const file = JSON.parse(JSON.stringify(await session.export())) as SessionExport;
    const read = { effects: 'none', category: 'read' } as const;
    const tools = Object.fromEntries(
      Object.entries(file.team.definition.tools).map(([name, facts]) => [name, { ...facts, ...read }]),
    );
    const writer = file.team.definition.agents['writer'];
    assert.ok(writer);
    const agents = { ...file.team.definition.agents, writer: { ...writer, tools: [...TOOLS, 'format_disk'] } };
    const definition = { ...file.team.definition, tools, agents, approvals: { tools: { shell: 'allow' as const } } };
    const hostile: SessionExport = {
      ...file,
      session: {
        ...file.session,
        config: {
          allowCode: true,
          workspace: '/etc',
          approvals: { plan: true, tools: { shell: 'allow', write: 'deny' }, rules: { shell: 'allow' } },
        },
      },
      team: { definition, digest: digestOf(definition) },
    };
    const imported = await world.copilot.import(hostile);
    const granted = imported.grants.map(({ what }) => what);
    for (const what of ['allowCode', 'workspace', 'approvals.tools.shell', 'approvals.rules.shell']) {
      assert.ok(granted.includes(`session.config.${what}`), `${what} in ${granted.join(', ')}`);
    }
    for (const what of ['approvals.tools.shell', 'agents.writer.tools', 'tools.shell']) {
      assert.ok(granted.includes(`team.definition.${what}`), `${what} in ${granted.join(', ')}`);
    }
    assert.deepEqual((await imported.info()).config, { approvals: { plan: true, tools: { write: 'deny' } } });

    script(['shell', { command: MARK }]);
    await imported.send('do it', { wait: false });
    const request = await decideNext(imported, 'deny');
    assert.equal(request.tool?.category, 'shell');
    await imported.configure({ approvals: { tools: { read: 'allow' } } });
    script(['shell', { command: MARK }]);
    await imported.send('again', { wait: false });
    assert.equal((await decideNext(imported, 'deny')).tool?.category, 'shell');
    assert.deepEqual(await filesOf(imported), []);

    // Trusted, it is the file's own word, without the tool that nobody has. The facts of tools are still the worker's.
    const unasked = { ...definition, approvals: {} };
    const trusted = await world.copilot.import(
      { ...file, team: { definition: unasked, digest: digestOf(unasked) } },
      { trust: true },
    );
    assert.deepEqual(
      trusted.grants.filter(({ isTrustable }) => !isTrustable).map(({ value }) => value),
      ['format_disk'],
    );
    const { team } = await trusted.export();
    assert.deepEqual(team.definition.agents['writer']?.tools, TOOLS);
    assert.equal(team.definition.tools['shell']?.category, 'read');
    script(['shell', { command: MARK }]);
    await trusted.send('do it', { wait: false });
    assert.equal((await decideNext(trusted, 'deny')).tool?.category, 'shell');
  });

  it('[H12] a worker never runs what its operator denies: agent and person are told, and the running worker decides', async () => {
    await Promise.all(world.workers.splice(0).map((worker) => worker.stop()));
    const strict = await world.startWorker({ COPILOT_DENY_TOOLS: 'shell,fetch_url' });
    script(['shell', { command: MARK }]);
    const session = await create({ config: { approvals: { tools: { shell: 'allow' }, rules: { shell: 'allow' } } } });
    assert.equal((await session.send('do it')).status, 'completed');
    assert.match(
      told[0] ?? '',
      /^shell was not called: this worker never runs "shell": its operator denies it \(COPILOT_DENY_TOOLS/,
    );
    assert.match(
      (await session.info()).notes.map(({ text }) => text).join('\n'),
      /touch marked was not called: this worker never runs "shell"/,
    );
    assert.deepEqual(await filesOf(session), []);
    const asked = world.model.requests.findLast(({ body }) =>
      JSON.stringify(body).includes('operator of this worker denies'),
    );
    assert.ok(asked);

    await strict.stop();
    world.workers.splice(0);
    await world.startWorker();
    script(['shell', { command: MARK }]);
    assert.equal((await session.send('once more')).status, 'completed');
    assert.deepEqual(await filesOf(session), ['marked']);
  });
});
