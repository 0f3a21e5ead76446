import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadConfig } from '../../../../src/config.ts';
import { packageDir } from '../../../../src/package-info.ts';
import { createLogger } from '../../../../src/worker/logging.ts';

describe('observability: logs', () => {
  it('are JSON lines with level, ISO time and fields, from the configured level on', () => {
    const lines: string[] = [];
    const log = createLogger(loadConfig({ COPILOT_LOG_LEVEL: 'warn' }), { write: (line) => void lines.push(line) });
    log.info('not this');
    log.child({ session: 'ses_1' }).warn({ turn: 3, err: new Error('boom') }, 'this');
    assert.equal(lines.length, 1);
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown> & { err: { message: string } };
    assert.deepEqual(
      [line['level'], line['session'], line['turn'], line['msg'], line.err.message],
      ['warn', 'ses_1', 3, 'this', 'boom'],
    );
    assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('do not show keys and headers of requests', () => {
    const lines: string[] = [];
    const log = createLogger(loadConfig({}), { write: (line) => void lines.push(line) });
    const error = Object.assign(new Error('refused'), { headers: { authorization: 'Bearer hidden' } });
    log.error(
      { err: error, apiKey: 'hidden', model: { apiKey: 'hidden' }, config: { model: { apiKey: 'hidden' } } },
      'failed',
    );
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines[0] ?? '', /hidden/);
    assert.match(lines[0] ?? '', /refused/);
  });

  it('go to stderr as JSON where that is no terminal, and are complete when the process ends at once', () => {
    const script = `
      import { loadConfig } from './src/config.ts';
      import { createLogger } from './src/worker/logging.ts';
      createLogger(loadConfig({})).info({ n: 1 }, 'last words');
      process.exit(0);
    `;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: join(packageDir),
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.equal(stdout, '');
    assert.equal((JSON.parse(stderr) as { msg: string }).msg, 'last words');
  });
});
