/** Checks the Temporal server, its namespace and its workers. Changes nothing. */
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import { innermostMessage } from '../connection/grpc-errors.ts';
import { findWorkers, openConnection } from '../connection/open-connection.ts';
import { findServer, type ServerAddress } from '../connection/address/server-address.ts';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';
import { buildName, isSameBuild, makeCurrentCommand, readBuilds } from '../worker/deployment.ts';
import { DYNAMIC_CONFIG } from '../server/server-process.ts';
import { namespaceCommand, readRetention, readSearchAttributes } from '../server/namespace.ts';
import { commandLineOf, readRecord } from '../connection/address/home-server.ts';
import { type Check, missing, ok, warning } from './check.ts';

const CALL_TIMEOUT_MS = 5_000;
const GRPC_NOT_FOUND = 5;

const SIGN_IN =
  'Sign in with a key that may: export TEMPORAL_API_KEY=…, or name another namespace: export TEMPORAL_NAMESPACE=…';

const SOURCES = {
  caller: 'given by the caller',
  TEMPORAL_ADDRESS: 'named by TEMPORAL_ADDRESS',
  profile: "named by Temporal's profile",
  home: 'the server of this home folder',
  default: 'the default address',
} as const satisfies Record<ServerAddress['source'], string>;

/** @param program the check of the server program, for the case that no server answers */
export async function checkServer(config: Config, program: Check): Promise<Check[]> {
  let server: ServerAddress;
  try {
    server = await findServer(config);
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    const { name, problem } = error.details;
    // The first line only: below it, a parser may quote the file, which can hold a key.
    const [reason = ''] = String(problem).split('\n');
    return [missing('server', `${name} is not valid: ${reason}`, `Correct it, or: unset ${name}`)];
  }
  let connection: Connection;
  try {
    connection = await openConnection(server);
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'WrongConnection') return [wrongConnection(error)];
    return [unanswered(config, server, program, error)];
  }
  try {
    return await connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, () => checkAll(config, server, connection));
  } finally {
    await connection.close();
  }
}

/** The setting that is wrong, and what to do. */
function wrongConnection({ details: { name, address, problem, advice } }: CopilotError): Check {
  return missing('server', `${name} does not fit the server at ${address}: ${problem}`, `${advice}`);
}

/** A server that somebody named is missing. Otherwise the next `copilot dev` starts one. */
function unanswered(config: Config, { address, source }: ServerAddress, program: Check, error: unknown): Check {
  const found = `no server answers at ${address}, ${SOURCES[source]} (${innermostMessage(error)})`;
  if (source === 'TEMPORAL_ADDRESS') {
    return missing(
      'server',
      found,
      'Start that server, or use one of this program: unset TEMPORAL_ADDRESS; copilot dev',
    );
  }
  if (source === 'profile')
    return missing('server', found, 'Start that server, or name another: export TEMPORAL_ADDRESS=host:7233');
  const none = `none runs for ${config.homeDir}, and ${found}`;
  return program.status === 'missing'
    ? missing('server', none, program.hint ?? 'copilot dev')
    : warning('server', none, 'Start one, with a worker: copilot dev');
}

async function checkAll(config: Config, server: ServerAddress, connection: Connection): Promise<Check[]> {
  const { namespace } = server;
  const answers = [await unlessRefused('server', () => checkVersion(server, connection)), checkWebUi(server)];
  const known = await checkNamespace(connection, namespace);
  if (known.status === 'missing') return [...answers, known];
  return [
    ...answers,
    known,
    await unlessRefused('retention', () => checkRetention(connection, namespace)),
    await checkSearchAttributes(connection, namespace),
    await checkDynamicConfig(config, server),
    await unlessRefused('workers', () => checkWorkers(config, connection, namespace)),
  ];
}

async function unlessRefused(check: string, work: () => Promise<Check>): Promise<Check> {
  try {
    return await work();
  } catch (error) {
    return missing(check, `cannot be read (${innermostMessage(error)})`, SIGN_IN);
  }
}

async function checkVersion({ address, source, downHome }: ServerAddress, connection: Connection): Promise<Check> {
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  const found = `${address}, ${SOURCES[source]}; version ${serverVersion}`;
  if (downHome === undefined) return ok('server', found);
  const other = `the server of ${downHome} is not running, and this may be another one: ${found}`;
  return missing(
    'server',
    other,
    `Start it: copilot dev. Or name the one that you mean: export TEMPORAL_ADDRESS=${address}`,
  );
}

function checkWebUi({ uiUrl }: ServerAddress): Check {
  return uiUrl === undefined
    ? warning(
        'web ui',
        'its address is not known, so that sessions are shown without one',
        'export COPILOT_UI_URL=http://…',
      )
    : ok('web ui', uiUrl);
}

async function checkNamespace(connection: Connection, namespace: string): Promise<Check> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return ok('namespace', namespace);
  } catch (error) {
    const isAbsent = isGrpcServiceError(error) && error.code === GRPC_NOT_FOUND;
    return isAbsent
      ? missing(
          'namespace',
          `the server has no namespace "${namespace}"`,
          namespaceCommand('create', connection.options.address, namespace),
        )
      : missing('namespace', `"${namespace}" cannot be read (${innermostMessage(error)})`, SIGN_IN);
  }
}

async function checkRetention(connection: Connection, namespace: string): Promise<Check> {
  const { keptDays, command } = await readRetention(connection, namespace);
  if (keptDays === undefined) return ok('retention', 'closed sessions are kept without an end');
  if (command === undefined) return ok('retention', `closed sessions are kept for ${keptDays} days`);
  return warning(
    'retention',
    `closed sessions are forgotten after ${keptDays} days; then their exports are left`,
    command,
  );
}

async function checkSearchAttributes(connection: Connection, namespace: string): Promise<Check> {
  const check = 'search attributes';
  try {
    const { registered, missing: lacking, command, mistyped } = await readSearchAttributes(connection, namespace);
    if (lacking.length > 0) {
      const has = registered.length === 0 ? 'none is registered' : `registered: ${registered.join(', ')}`;
      return missing(
        check,
        `missing: ${lacking.join(', ')}; ${has}`,
        `A starting worker registers them, or: ${command}`,
      );
    }
    const [wrong] = mistyped;
    return wrong === undefined ? ok(check, registered.join(', ')) : missing(check, wrong.problem, wrong.command);
  } catch (error) {
    const command = `temporal operator search-attribute list --address ${connection.options.address} --namespace ${namespace}`;
    return warning(
      check,
      `cannot be read (${innermostMessage(error)})`,
      `Ask with the rights of an operator: ${command}`,
    );
  }
}

/**
 * The API does not give dynamic configuration, and the capabilities of server and namespace do not cover eager activities.
 * The command line of a server that this program started does.
 */
async function checkDynamicConfig(config: Config, { address }: ServerAddress): Promise<Check> {
  const check = 'dynamic configuration';
  const record = await readRecord(config.homeDir);
  if (record?.address !== address) {
    const detail =
      'cannot be read from a server; system.enableActivityEagerExecution is off by default, and turns are slower without';
    return warning(check, detail, "Set in the server's dynamic configuration what docker/dynamic-config.yaml has");
  }
  const commandLine = await commandLineOf(record.pid);
  const lacking = DYNAMIC_CONFIG.filter((value) => !commandLine.includes(value));
  return lacking.length === 0
    ? ok(check, `as it should be: ${DYNAMIC_CONFIG.join(', ')}`)
    : warning(
        check,
        `the server was started without ${lacking.join(', ')}`,
        `Stop it and start it anew: kill ${record.pid}; copilot dev`,
      );
}

async function checkWorkers({ taskQueue }: Config, connection: Connection, namespace: string): Promise<Check> {
  const workers = await findWorkers(connection, namespace, taskQueue);
  if (workers.length === 0) {
    return missing('workers', `none asks task queue "${taskQueue}" for sessions`, 'Start one: copilot worker');
  }
  const found = `${workers.length} on task queue "${taskQueue}": ${workers.join(', ')}`;
  const { current, byWorker } = await readBuilds(connection.workflowService, namespace, taskQueue);
  const begin = `sessions begin on ${buildName(current)}`;
  if (workers.some((worker) => isSameBuild(byWorker.get(worker), current))) {
    return ok('workers', current ? `${found}; ${begin}` : found);
  }
  const [build] = workers.flatMap((worker) => byWorker.get(worker) ?? []);
  const hint = build
    ? makeCurrentCommand(build, connection.options.address, namespace)
    : 'Start a worker of that build, with its COPILOT_DEPLOYMENT and COPILOT_BUILD_ID';
  return missing('workers', `${found}; ${begin}, and none of these is one`, hint);
}
