/**
 * A world whose time a test moves: Temporal's time-skipping test server, a worker in this process, a scripted model.
 *
 * The server is the Java one. `@temporalio/testing` downloads it as a program from GitHub; here it comes from Maven
 * Central, once, and runs from the cache without a network.
 */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { CopilotClient } from '../../src/client.ts';
import type { Config } from '../../src/config.ts';
import { SEARCH_ATTRIBUTES } from '../../src/contracts/search-attributes.ts';
import { withLock } from '../../src/server/lock.ts';
import { installRuntime } from '../../src/worker/runtime.ts';
import { startWorker } from '../../src/worker.ts';
import { type ModelServer, startModelServer } from './model-server.ts';
import { isolatedConfig, temporaryFolder } from './server.ts';

/** https://central.sonatype.com/artifact/io.temporal/temporal-test-server */
const VERSION = '1.34.0';
const MAIN_CLASS = 'io.temporal.testserver.TestServer';
const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies';
/** All of it is under 60 MB; a first use of Maven fetches its plugins too. */
const FETCH_TIMEOUT_MS = 240_000;
/** `temporal.api.enums.v1.IndexedValueType` */
const WIRE_TYPES = { KEYWORD: 2, INT: 3, DATETIME: 6 } as const;
const JAVA_TIMEOUT_MS = 30_000;
/** Without a binding slf4j complains on every start. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>durable-copilot</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;
/** `exec`, so that the process which the SDK ends is the server. The flags halve the time to start. */
const WRAPPER = `#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$(dirname "$0")/lib/*" ${MAIN_CLASS} "$@"
`;

export interface SkippingWorld {
  /** The product's own client. */
  readonly copilot: CopilotClient;
  /** The plain Temporal client; unlike the environment's own it does not move time when it waits for a result. */
  readonly temporal: Client;
  readonly model: ModelServer;
  /** Moves the server's time. Timers on the way fire, and the worker answers them, before it gets there. */
  pass(durationMs: number): Promise<void>;
  /** The server's time, in milliseconds since the epoch. */
  nowMs(): Promise<number>;
  stop(): Promise<void>;
}

/** @throws Error that says what to install, where Java is missing, or Maven before the server is cached */
export async function startSkippingWorld(): Promise<SkippingWorld> {
  const homeDir = await temporaryFolder();
  const model = await startModelServer();
  const config = isolatedConfig(homeDir, {
    OPENAI_BASE_URL: model.baseUrl,
    OPENAI_API_KEY: 'test',
    COPILOT_LOG_LEVEL: 'error',
  });
  const path = await findTestServer(config);
  // The environment would install one that warns of everything that this server lacks.
  installRuntime(new DefaultLogger('ERROR'));
  const environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
  const { address } = environment;
  // `prepareNamespace` first asks which ones there are, and this server does not answer that.
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(SEARCH_ATTRIBUTES.map(({ name, type }) => [name, WIRE_TYPES[type]])),
  });
  const worker = await startWorker({ config, address, namespace: 'default' });
  const copilot = await CopilotClient.connect({ config, address });
  return {
    copilot,
    temporal: new Client({ connection: environment.connection }),
    model,
    pass: (durationMs) => environment.sleep(durationMs),
    nowMs: () => environment.currentTimeMs(),
    stop: async () => {
      await copilot.close();
      // Together: this server now and then leaves a poll of a stopping worker open, for 30 s, unless it ends itself.
      await Promise.all([worker.stop(), environment.teardown()]);
      await rm(homeDir, { recursive: true, force: true });
      // The last, since it fails for calls that nobody scripted.
      await model.close();
    },
  };
}

/** Path of a program that takes the arguments of Temporal's test server; fetched where it is not in the cache. */
async function findTestServer({ cacheDir, temporal: { environment } }: Config): Promise<string> {
  await run('java', ['-version'], environment, JAVA_TIMEOUT_MS, 'Install Java 17 or newer.');
  const folder = join(cacheDir, 'test-server', VERSION);
  const program = join(folder, 'test-server');
  await withLock(`${folder}.lock`, async () => {
    if (!(await exists(program))) await fetchTestServer(folder, environment);
  });
  return program;
}

/** Filled aside and renamed, so that the folder is whole or not there. */
async function fetchTestServer(folder: string, environment: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const unfinished = await mkdtemp(`${folder}.`);
  try {
    await writeFile(join(unfinished, 'pom.xml'), POM);
    const args = ['--batch-mode', '--quiet', '--file', join(unfinished, 'pom.xml'), COPY_DEPENDENCIES];
    const wayOut = 'Maven fetches the test server from Maven Central, once: install Maven, or give it a network.';
    await run('mvn', [...args, `-DoutputDirectory=${join(unfinished, 'lib')}`], environment, FETCH_TIMEOUT_MS, wayOut);
    await writeFile(join(unfinished, 'test-server'), WRAPPER, { mode: 0o755 });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  timeout: number,
  wayOut: string,
): Promise<void> {
  try {
    await promisify(execFile)(program, [...args], { env: { ...env }, timeout });
  } catch (error) {
    const { message, stdout = '' } = error as Error & { stdout?: string }; // execFile's own errors
    throw new Error(`The time-skipping tests need \`${program}\`. ${wayOut}\n${message}\n${stdout}`.trim(), {
      cause: error,
    });
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
