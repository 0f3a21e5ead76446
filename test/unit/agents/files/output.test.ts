/** The form of agents' answers: what a team may ask for. */
import assert from 'node:assert/strict';
import { CopilotError } from '../../../../src/contracts/errors.ts';
import { removeFolders, smallTeam } from './team-folder.ts';

describe('agents: the form of their answers', () => {
  after(removeFolders);

  async function problem(output: unknown): Promise<string> {
    try {
      await smallTeam({ 'writer.yaml': `description: W\ninstructions: y\noutput: ${JSON.stringify(output)}\n` });
      return 'none';
    } catch (error) {
      assert.ok(error instanceof CopilotError);
      return `${error.type} ${error.message}`;
    }
  }

  const word = { type: 'string', pattern: '^(a+)+$' };
  for (const [output, text] of [
    [{ type: 'string' }, 'its type must be "object"'],
    [{}, 'its type must be "object"'],
    [{ type: 'object', properties: { word } }, '"pattern" is not supported; describe in a description'],
    [{ type: 'object', $defs: { word }, properties: { a: { $ref: '#/$defs/word' } } }, '"pattern" is not supported'],
    [{ type: 'object', properties: { a: { $ref: '#/$defs/none' } } }, 'Reference not found'],
    [{ type: 'object', properties: { a: { $ref: 'https://example.org/a' } } }, 'External $ref is not supported'],
    [{ type: 'object', properties: { a: { type: 'strnig' } } }, 'strnig'],
  ] as const) {
    it(`${JSON.stringify(output)} is an error with file and line`, async () => {
      const said = await problem(output);
      assert.ok(said.startsWith('InvalidTeam ') && said.includes('small/writer.yaml:3: output: '), said);
      assert.ok(said.includes(text), said);
    });
  }

  it('may have properties and values that are called like keywords', async () => {
    const properties = { pattern: { type: 'string' }, kind: { enum: ['pattern'] } };
    assert.equal(await problem({ type: 'object', properties }), 'none');
  });
});
