/** What sessions of one worker share of their teams, and what they do not. No server needed. */
import assert from 'node:assert/strict';
import { defaultPayloadConverter } from '@temporalio/common';
import { payloadConverter, tryToRead } from '../../src/contracts/payload-converter.ts';
import type { SessionState } from '../../src/contracts/session-state.ts';
import { acceptStart, withSharedTeam } from '../../src/workflows/session/state/shared-teams.ts';
import { loadTeam } from '../../src/agents/files/load-team.ts';
import { builtInTools } from '../../src/tools/registry.ts';
import { packageDir } from '../../src/package-info.ts';
import { join } from 'node:path';

describe('the team of a session', () => {
  let json: string;

  before(async () => {
    json = JSON.stringify(await loadTeam(join(packageDir, 'agents'), 'default', builtInTools));
  });

  /** An input as the SDK decodes it: an object of its own for each session. */
  const input = (change: (team: { definition: Record<string, unknown> }) => void = () => {}, rest: object = {}) => {
    const team = JSON.parse(json) as { definition: Record<string, unknown> };
    change(team);
    return { start: { ...rest, team } };
  };

  it('is one object for all sessions that have the same, in what the SDK keeps of the start as well', () => {
    const [one, two] = [input(), input()];
    const first = acceptStart(one);
    const second = acceptStart(two);
    assert.equal(first.team, second.team);
    assert.equal(one.start.team, first.team);
    assert.equal(two.start.team, first.team);
    assert.deepEqual(first.team, JSON.parse(json));
    const carried = JSON.parse(JSON.stringify({ team: first.team })) as SessionState;
    assert.equal(withSharedTeam(carried).team, first.team);
  });

  it('is its own if it differs, whatever digest it claims to have', () => {
    const known = acceptStart(input());
    const other = acceptStart(input(({ definition }) => (definition['description'] = 'another')));
    assert.notEqual(other.team, known.team);
    assert.equal(other.team.digest, known.team.digest);
    assert.equal(other.team.definition.description, 'another');
  });

  it('can be changed by no session', () => {
    const { team } = acceptStart(input());
    assert.throws(() => Object.assign(team.definition, { description: 'changed' }), TypeError);
    assert.throws(() => Object.assign(team.definition.limits, { steps: 1 }), TypeError);
  });

  it('is checked with the rest of the start, known or not', () => {
    acceptStart(input());
    const wrong = [
      undefined,
      {},
      { start: {} },
      input(() => {}, { mode: 7 }),
      input((team) => delete team.definition['agents']),
    ];
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    assert.throws(() => acceptStart({ start: { team: deep } }), /nested deeper than/);
    for (const given of wrong) assert.throws(() => acceptStart(given), /Input of the workflow is not valid/);
    assert.deepEqual(acceptStart(input(() => {}, { name: 'given', unknown: 1 })), {
      ...acceptStart(input()),
      name: 'given',
    });
  });

  it('is as it was sent after many others', () => {
    for (let number = 0; number < 30; number++) {
      const description = `number ${number % 12}`;
      const { team } = acceptStart(input(({ definition }) => (definition['description'] = description)));
      assert.equal(team.definition.description, description);
    }
  });
});

describe('a payload that was tried', () => {
  it('is read once without parsing it again, and later as a value of its own', () => {
    const payload = defaultPayloadConverter.toPayload({ text: 'hello' });
    tryToRead(payloadConverter, payload);
    const first = payloadConverter.fromPayload<{ text: string }>(payload);
    first.text = 'changed';
    assert.deepEqual(payloadConverter.fromPayload(payload), { text: 'hello' });
    assert.deepEqual(payloadConverter.fromPayload(payload), { text: 'hello' });
  });

  it('fails each time if it cannot be read', () => {
    const broken = { ...defaultPayloadConverter.toPayload(1), data: new TextEncoder().encode('{') };
    assert.throws(() => tryToRead(payloadConverter, broken), SyntaxError);
    assert.throws(() => payloadConverter.fromPayload(broken));
  });
});
