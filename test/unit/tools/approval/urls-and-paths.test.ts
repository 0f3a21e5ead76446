import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formsOfPath, matchesPath, matchesPathCarefully } from '../../../../src/tools/approval/path-pattern.ts';
import { matchesUrl, matchesUrlCarefully } from '../../../../src/tools/approval/url-pattern.ts';

describe('rules about URLs', () => {
  const docs = 'https://docs.example.org/*';
  for (const url of [
    ...['https://docs.example.org/', 'https://DOCS.example.org/a', 'https://docs.example.org:443/a/b?c=d%2Fe'],
    ...['https://docs.example.org/a/../b', 'https://docs.example.org'],
  ]) {
    it(`[H11] ${docs} allows ${url}`, () => assert.equal(matchesUrl(docs, url), true));
  }
  for (const url of [
    ...[
      'https://docs.example.org@evil.test/',
      'https://docs.example.org:x@evil.test/',
      'https://u:p@docs.example.org/',
    ],
    ...[
      'http://docs.example.org/',
      'https://docs.example.org:8443/',
      'https://docs.example.org.evil.test/',
      'https://evil.test/',
    ],
    ...[
      'https://evil.test/https://docs.example.org/',
      'https://docs.example.org\\@evil.test/',
      'https:\\\\docs.example.org/',
    ],
    ...[
      'https://docs.example.org%2eevil.test/',
      'https://xdocs.example.org/',
      'https://docs.example.org./',
      'docs.example.org/',
    ],
    ...[
      'https://evil.test/#https://docs.example.org/',
      'https://evil.test/?https://docs.example.org/',
      '//docs.example.org/',
    ],
    ...[
      'https://docs.example.org/\u202e',
      'https://docs\u0131.example.org/',
      ' https://docs.example.org/',
      'https://docs.\texample.org/',
    ],
    ...[
      'file:///etc/passwd',
      'javascript:alert(1)',
      'https://docs.example.org/%2e%2e%2fx',
      'https://docs.example.org/..%5cx',
      '',
    ],
  ]) {
    it(`[H11] ${docs} does not allow ${JSON.stringify(url)}`, () => assert.equal(matchesUrl(docs, url), false));
  }

  it('[H11] a path that leaves the pattern by .. or an encoding is not allowed', () => {
    const pattern = 'https://example.org/docs/*';
    assert.equal(matchesUrl(pattern, 'https://example.org/docs/a'), true);
    for (const path of [
      'docs/../admin',
      'docs/%2e%2e/admin',
      'docs/%2E./admin',
      'docs/..%2fadmin',
      'docs/..;/admin',
      'Docs/a',
      'docs/%252e%252e/x',
    ]) {
      assert.equal(matchesUrl(pattern, `https://example.org/${path}`), false, path);
    }
    assert.equal(matchesUrl('https://example.org', 'https://example.org/docs'), false);
    assert.equal(matchesUrl('https://*.example.org/*', 'https://a.b.example.org/x'), true);
    assert.equal(matchesUrl('https://*.example.org/*', 'https://example.org/x'), false);
    assert.equal(matchesUrl('https://*/*', 'https://example.org/x'), false);
  });

  it('[H11] a rule that denies reads a URL in each of its forms', () => {
    for (const url of [
      'https://evil.test/x',
      'http://evil.test:81/x',
      'https://EVIL.test./x',
      'https://u@evil.test/x',
      'https://e\u200bvil.test/x',
    ]) {
      assert.equal(matchesUrlCarefully('https://evil.test/*', url), 'yes', url);
    }
    assert.equal(matchesUrlCarefully('http://127.0.0.1/*', 'http://2130706433/'), 'yes');
    assert.equal(matchesUrlCarefully('https://example.org/admin/*', 'https://example.org/%61dmin/x'), 'yes');
    assert.equal(matchesUrlCarefully('https://example.org/admin/*', 'https://example.org/x%2f..%2fadmin/x'), 'maybe');
    assert.equal(matchesUrlCarefully('https://example.org/admin/*', 'https://example.org/docs'), 'no');
    assert.equal(matchesUrlCarefully('https://evil.test/*', 'https://docs.example.org/evil.test/'), 'no');
    assert.equal(matchesUrlCarefully('https://evil.test/*', 'no url'), 'maybe');
  });
});

describe('rules about paths', () => {
  let workspace: string;
  const forms = (path: string) => formsOfPath({ tool: 'write_file', workspace }, path);
  const isAllowed = async (pattern: string, path: string) => matchesPath(pattern, await forms(path));

  before(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'rules-'));
    await mkdir(join(workspace, 'reports/a'), { recursive: true });
    await mkdir(join(workspace, 'secret'));
    await writeFile(join(workspace, 'secret/x'), '');
    await symlink('../secret', join(workspace, 'reports/link'));
    await symlink('/etc', join(workspace, 'reports/etc'));
    await symlink('reports', join(workspace, 'alias'));
  });
  after(() => rm(workspace, { recursive: true }));

  it('[H11] reports/** allows what lies there, however it is written', async () => {
    for (const path of [
      'reports/x.md',
      'reports/a/b/c.md',
      './reports/x',
      'x/../reports/y',
      'alias/x',
      'reports',
      join(workspace, 'reports/z'),
    ]) {
      assert.equal(await isAllowed('reports/**', path), true, path);
    }
  });

  it('[H11] reports/** does not allow what leads elsewhere', async () => {
    for (const path of [
      ...['reports/../x', 'reports/../../x', 'reports/link/x', 'reports/link/new', 'reports/etc/passwd', '/etc/passwd'],
      ...[
        '/reports/x',
        'Reports/x',
        'reportsx/y',
        'x/reports/y',
        'reports/a/../../x',
        '',
        'reports/\0',
        '../reports/x',
        '~/reports/x',
      ],
    ]) {
      assert.equal(await isAllowed('reports/**', path), false, path);
    }
  });

  it('[H11] * stays in one folder, ** does not', async () => {
    assert.equal(await isAllowed('reports/*.md', 'reports/x.md'), true);
    assert.equal(await isAllowed('reports/*.md', 'reports/a/x.md'), false);
    assert.equal(await isAllowed('**/*.md', 'reports/a/x.md'), true);
    assert.equal(await isAllowed('reports/[x]', 'reports/x'), false);
  });

  it('[H11] a rule that denies looks at the path as written, at the target of its links, and at whole folders', async () => {
    for (const path of ['secret/x', 'SECRET/x', 'reports/link/x', 'secret/../secret/x', './secret']) {
      assert.equal(matchesPathCarefully('secret/**', await forms(path), false), 'yes', path);
    }
    assert.equal(matchesPathCarefully('secret/**', await forms('reports/x'), false), 'no');
    assert.equal(matchesPathCarefully('secret/**', await forms('.'), true), 'maybe');
    assert.equal(matchesPathCarefully('reports/a/**', await forms('reports'), true), 'maybe');
    assert.equal(matchesPathCarefully('reports/a/**', await forms('secret'), true), 'no');
  });
});
