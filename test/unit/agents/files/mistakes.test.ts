import assert from 'node:assert/strict';
import { loadTeam } from '../../../../src/agents/files/load-team.ts';
import { builtInTools as tools } from '../../../../src/tools/registry.ts';
import { agentsFolder, removeFolders, TEAM } from './team-folder.ts';

describe('agents: a mistake in a team is said in plain words, with file and line', () => {
  after(removeFolders);

  const cases: [string, Parameters<typeof agentsFolder>[0], string][] = [
    [
      'of a mode with a wrong route',
      { 'team.yaml': `${TEAM}modes:\n  quick:\n    route: oneshot\n` },
      'small/team.yaml:11: modes.quick.route: it must be "router", "one-shot" or "planned", not "oneshot"',
    ],
    [
      'of a word that YAML does not read as a truth value',
      { 'team.yaml': `${TEAM}approvals:\n  plan: yes\n` },
      'small/team.yaml:10: approvals.plan: it must be true or false, not "yes"',
    ],
    [
      'of a text in the place of a list',
      { 'writer.yaml': 'description: Writes\ninstructions: y\ntools: read_file\n' },
      'small/writer.yaml:3: tools: it must be a list, not "read_file"',
    ],
    [
      'of a list in the place of rules',
      { 'team.yaml': `${TEAM}approvals:\n  rules:\n    - "shell: ls"\n` },
      'small/team.yaml:10: approvals.rules: it must be an object (keys with values), not a list',
    ],
    [
      'of an unknown category of tools',
      { 'team.yaml': `${TEAM}approvals:\n  tools:\n    shel: ask\n` },
      'small/team.yaml:11: unknown key in approvals.tools "shel"; did you mean "shell"?',
    ],
    [
      'of a text with a colon and without quotes',
      { 'writer.yaml': 'description: Writes: reports\ninstructions: y\n' },
      'small/writer.yaml:1: there are two ":" in one line; put the text that has one between quotes',
    ],
  ];
  for (const [title, changes, expected] of cases) {
    it(title, async () => {
      await assert.rejects(loadTeam(await agentsFolder(changes), 'small', tools), (error: Error) => {
        assert.equal(error.message.replace(/ \(and \d+ more problems?\)$/, ''), expected);
        return true;
      });
    });
  }
});
