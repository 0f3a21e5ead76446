import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config.ts';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { checkHostFolders } from '../../../src/worker/host/host-folders.ts';
import { temporaryFolder } from '../../helpers/server.ts';
import { agentsFolder, recordingLog, removeFolders } from '../agents/files/team-folder.ts';

describe('the folders of a worker that starts', () => {
  let home: string;
  beforeEach(async () => {
    home = await temporaryFolder();
    await writeFile(join(home, 'file'), '');
    await mkdir(join(home, 'empty'));
  });
  afterEach(async () => {
    await removeFolders();
    await rm(home, { recursive: true, force: true });
  });

  /** What it says, `fine`, or what it warns of. */
  async function judged(changes: object, hasOwnArchive = false): Promise<unknown> {
    const { log, lines } = recordingLog();
    const folders = { workspaceRoot: join(home, 'new/workspaces'), archiveDir: join(home, 'new/archive') };
    try {
      await checkHostFolders({ agentsDir: await agentsFolder(), ...folders, ...changes }, { hasOwnArchive, log });
      return lines.length === 0 ? 'fine' : lines.map(({ msg }) => msg);
    } catch (error) {
      if (!(error instanceof CopilotError)) throw error;
      return [error.type, error.details['name'], error.details['problem']];
    }
  }

  it('are refused by name if teams are not there, or workspaces cannot be written there', async () => {
    const [missing, file] = [join(home, 'missing'), join(home, 'file')];
    const noTeams = ['InvalidConfig', 'COPILOT_AGENTS_DIR', 'there is no such folder of teams'];
    const isFile = `${file} is a file; name a folder that this program can write to`;
    assert.equal(await judged({}), 'fine');
    assert.deepEqual(await judged({ agentsDir: missing }), noTeams);
    assert.deepEqual(await judged({ agentsDir: file }), noTeams);
    assert.deepEqual(await judged({ agentsDir: [join(await agentsFolder(), 'small'), missing] }), noTeams);
    for (const workspaceRoot of [file, join(file, 'workspaces')]) {
      assert.deepEqual(await judged({ workspaceRoot }), ['InvalidConfig', 'COPILOT_WORKSPACE_ROOT', isFile]);
    }
  });

  it('are warned of if they have no team, or no archive', async () => {
    const archiveDir = join(home, 'file/archive');
    assert.deepEqual(await judged({ archiveDir }), ['the archive cannot be written: sessions stay open until it can']);
    assert.equal(await judged({ archiveDir }, true), 'fine');
    assert.deepEqual(await judged({ agentsDir: join(home, 'empty') }), [
      'this worker has no team, so that no session can begin on it; see `copilot doctor`',
    ]);
  });

  for (const name of ['COPILOT_HOME', 'COPILOT_WORKSPACE_ROOT', 'COPILOT_AGENTS_DIR', 'COPILOT_ARCHIVE_DIR'])
    it(`are refused in ${name} as only a shell would read them`, () => {
      const problemOf = (value: string): unknown => {
        try {
          return loadConfig({ [name]: value }).homeDir;
        } catch (error) {
          return error instanceof CopilotError && [error.type, error.details['name'], error.details['problem']];
        }
      };
      assert.deepEqual(problemOf('~/copilot'), [
        'InvalidConfig',
        name,
        'it begins with ~, which only a shell replaces; give the whole path',
      ]);
      assert.deepEqual(problemOf('"/data/copilot"'), [
        'InvalidConfig',
        name,
        'it begins with a quotation mark; leave the quotation marks out',
      ]);
    });
});
