/** The second gate of the three rings: what is really in the bundle, whatever lint believes. No server needed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import { workflowCode } from '../helpers/workflow-code.ts';

/** Packages that sandbox code may contain; long, since @temporalio's own ones bring theirs. */
const ALLOWED_PACKAGES = /^(zod|@noble\/hashes|@temporalio\/(common|workflow)|nexus-rpc|ms|long)$/;

describe('the sandbox', function () {
  this.timeout(300_000);
  let modules: string[];

  before(async () => {
    const code = await workflowCode();
    modules = [...code.matchAll(/^\/\*{3}\/ "(\.\/[^"]+)":?/gm)].map((match) => match[1] ?? '');
  });

  it('holds workflow and contract code, and of packages only those that may run there', () => {
    assert.ok(
      modules.includes('./src/workflows/session/loop.ts'),
      `no session in the bundle: ${modules.slice(0, 5).join(', ')}`,
    );
    const strangers = modules.filter((path) => !isAllowed(path));
    assert.deepEqual(strangers, []);
  });

  it('would notice agent code', () => {
    assert.equal(isAllowed('./src/agents/cache/agent-cache.ts'), false);
    assert.equal(isAllowed('./node_modules/openai/index.mjs'), false);
    assert.equal(isAllowed('./node_modules/@temporalio/client/lib/index.js'), false);
  });
});

describe('the state of a session', () => {
  it('is seen in its mutable types by its owners alone', () => {
    const dir = join(packageDir, 'src', 'workflows');
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const owners = files.filter((name) => {
      const source = readFileSync(join(dir, name), 'utf8');
      const imported = /import type \{([^}]+)\} from '[^']*session-state\.ts'/.exec(source)?.[1] ?? '';
      return /\b(SessionState|Turn|Work|Thread)\b/.test(imported);
    });
    assert.ok(owners.length > 5, owners.join(', '));
    // The live session hands the state to its owners; the next run carries it.
    const allowed = /^session\/(state|turn)\/|^session\/(live-session|continue-as-new)\.ts$/;
    assert.deepEqual(
      owners.map((name) => name.replaceAll('\\', '/')).filter((name) => !allowed.test(name)),
      [],
    );
  });
});

describe('contracts', () => {
  it('load nothing of the workflow package, so that clients never load workflow code by them', () => {
    const dir = join(packageDir, 'src', 'contracts');
    const files = readdirSync(dir).filter((name) => {
      const source = readFileSync(join(dir, name), 'utf8');
      return /^import (?!type )[^;]* from '@temporalio\/workflow'/m.test(source);
    });
    assert.deepEqual(files, []);
  });
});

function isAllowed(path: string): boolean {
  if (/^\.\/src\/(workflows|contracts)\//.test(path)) return true;
  const inPackage = /^\.\/node_modules\/((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/.exec(path);
  return inPackage !== null && ALLOWED_PACKAGES.test(inPackage[1] ?? '');
}
