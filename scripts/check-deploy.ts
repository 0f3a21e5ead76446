/**
 * `npm run check:deploy` has the manifests in deploy/ checked by the tools of those who read them: kustomize builds them,
 * kubernetes-validate compares them with the schemas of Kubernetes, and Docker Compose reads its own. It needs Go and
 * Python, and takes minutes the first time.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { packageDir } from '../src/package-info.ts';
import { findOnPath } from '../src/server/program.ts';

const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1';
const VALIDATOR = 'kubernetes-validate==1.37.0';
/** The oldest release that is still maintained, and the newest that the validator knows. */
const RELEASES = ['1.33', '1.37'];

const run = promisify(execFile);
const config = loadConfig();
const tools = join(config.cacheDir, 'deploy-tools');
const base = join(packageDir, 'deploy/kubernetes');
const folder = await mkdtemp(join(tmpdir(), 'copilot-deploy-'));
try {
  const [kustomize, validate] = [await findKustomize(), await findValidator()];
  // As an operator would put the two together, with paths that kustomize takes: relative ones.
  const up = '../'.repeat(folder.split('/').length - 1);
  const overlay = ['resources', 'components'].map(
    (key, index) => `${key}: [${up}${base.slice(1)}${index ? '/encryption' : ''}]`,
  );
  await writeFile(join(folder, 'kustomization.yaml'), `${overlay.join('\n')}\n`);
  for (const source of [base, folder]) {
    const { stdout } = await run(kustomize, ['build', source]);
    const manifest = join(folder, 'manifest.yaml');
    await writeFile(manifest, stdout);
    for (const release of RELEASES) await run(validate, ['--strict', '--quiet', '-k', release, manifest]);
    console.log(
      `${source === base ? 'deploy/kubernetes' : 'with encryption'}: right for Kubernetes ${RELEASES.join(' and ')}`,
    );
  }
  await checkCompose();
} finally {
  await rm(folder, { recursive: true });
}

async function findKustomize(): Promise<string> {
  const present = await findOnPath('kustomize', config.environment);
  if (present !== undefined) return present;
  if (!existsSync(join(tools, 'kustomize')))
    await run('go', ['install', KUSTOMIZE], { env: { ...config.environment, GOBIN: tools } });
  return join(tools, 'kustomize');
}

async function findValidator(): Promise<string> {
  const venv = join(tools, 'python');
  const program = join(venv, 'bin/kubernetes-validate');
  if (existsSync(program)) return program;
  await run('python3', ['-m', 'venv', venv]);
  await run(join(venv, 'bin/pip'), ['--quiet', 'install', VALIDATOR]);
  return program;
}

async function checkCompose(): Promise<void> {
  const docker = await findOnPath('docker', config.environment);
  const hasCompose =
    docker !== undefined &&
    (await run(docker, ['compose', 'version']).then(
      () => true,
      () => false,
    ));
  if (!hasCompose) return console.log('docker-compose.yml: not checked, because there is no `docker compose`');
  const files = ['docker-compose.yml', 'deploy/compose.secrets.yml'].flatMap((file) => ['--file', file]);
  await run(docker, ['compose', ...files, '--profile', '*', 'config', '--quiet'], { cwd: packageDir });
  console.log('docker-compose.yml: right for Docker Compose');
}
