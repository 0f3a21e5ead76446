/** A namespace needs search attributes and a long retention of closed workflows before sessions run in it. */
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import type { SearchAttributeType } from '@temporalio/common';
import proto from '@temporalio/proto';
import pRetry from 'p-retry';
import { innermostMessage } from '../connection/grpc-errors.ts';
import { milliseconds } from '../connection/open-connection.ts';
import { SEARCH_ATTRIBUTES } from '../contracts/search-attributes.ts';

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;
const OWN_RETENTION_MS = 3_653 * DAY_MS;
/** Ten years without leap days: an operator may have counted so. */
const LEAST_RETENTION_MS = 3_650 * DAY_MS;
/** A cluster reads its search attributes once a minute, the development server at once. */
const USABLE_TIMEOUT_MS = 90_000;
const POLL_MS = 100;
const REGISTER_ATTEMPTS = 3;
const GRPC_NOT_FOUND = 5;

const SEARCHABLE = SEARCH_ATTRIBUTES.map(({ name, type }) => ({ name, type }));
type Searchable = (typeof SEARCHABLE)[number];
type KnownTypes = ReadonlyMap<string, SearchAttributeType | 'unknown type'>;

/** What this needs of a connection: that of a client or of a worker. */
export type ServerAccess = Pick<Connection, 'workflowService' | 'operatorService'> & {
  readonly options: Pick<Connection['options'], 'address'>;
};

export interface SearchAttributeState {
  readonly registered: readonly string[];
  readonly missing: readonly string[];
  /** Registers the missing ones. Empty if there are none. */
  readonly command: string;
  readonly mistyped: readonly { readonly problem: string; readonly command: string }[];
}

/** `temporal.api.enums.v1.IndexedValueType`, https://github.com/temporalio/api/blob/master/temporal/api/enums/v1/common.proto */
const WIRE_TYPES = {
  TEXT: 1,
  KEYWORD: 2,
  INT: 3,
  DOUBLE: 4,
  BOOL: 5,
  DATETIME: 6,
  KEYWORD_LIST: 7,
} as const satisfies Record<SearchAttributeType, number>;

/** The types' names in the `temporal` CLI. */
const CLI_TYPES = { KEYWORD: 'Keyword', INT: 'Int', DATETIME: 'Datetime' } as const satisfies Partial<
  Record<SearchAttributeType, string>
>;

/** All search attributes, as options of `temporal server start-dev`. */
export const SEARCH_ATTRIBUTE_FLAGS = SEARCHABLE.flatMap(({ name, type }) => [
  '--search-attribute',
  `${name}=${CLI_TYPES[type]}`,
]);

/**
 * Registers the search attributes that the namespace lacks and waits until the server knows them. Any number of
 * processes may do so at once, on any server.
 * @returns a warning, with the command to run, for each thing that the server refuses or keeps for too short a time
 */
export async function prepareNamespace(connection: ServerAccess, namespace: string): Promise<{ warnings: string[] }> {
  return {
    warnings: [
      ...(await registerSearchAttributes(connection, namespace)),
      ...(await checkRetention(connection, namespace)),
    ],
  };
}

/** For our own servers: creates the namespace if it is missing, and makes it keep closed sessions for 10 years. */
export async function keepClosedSessions(connection: ServerAccess, namespace: string): Promise<void> {
  const workflowExecutionRetentionTtl = proto.google.protobuf.Duration.fromObject({
    seconds: OWN_RETENTION_MS / 1_000,
  });
  try {
    if ((await retentionMs(connection, namespace)) === OWN_RETENTION_MS) return;
    await connection.workflowService.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl } });
  } catch (error) {
    if (!isGrpcServiceError(error) || error.code !== GRPC_NOT_FOUND) throw error;
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: workflowExecutionRetentionTtl,
    });
    await untilAccepted(() => connection.operatorService.listSearchAttributes({ namespace }));
  }
}

async function registerSearchAttributes(connection: ServerAccess, namespace: string): Promise<string[]> {
  try {
    await addMissing(connection, namespace);
    const { mistyped } = await readSearchAttributes(connection, namespace);
    return mistyped.map(
      ({ problem, command }) =>
        `Search attribute ${problem}: sessions cannot be listed by it. Remove it (\`${command}\`), then start again.`,
    );
  } catch (error) {
    const still = await lacking(connection, namespace);
    if (still.length === 0) {
      return [
        `The search attributes of namespace "${namespace}" are registered, but not usable yet (${innermostMessage(error)}).`,
      ];
    }
    return [
      `The server does not let this program register search attributes in namespace "${namespace}" (${innermostMessage(error)}). ` +
        `Sessions cannot start until somebody who may runs: ${commands(connection, namespace, still)}`,
    ];
  }
}

/**
 * Reads which search attributes a namespace has, which it lacks, and which have another type. Each of the last has a
 * command that removes it.
 * @throws the SDK's errors
 */
export async function readSearchAttributes(connection: ServerAccess, namespace: string): Promise<SearchAttributeState> {
  const known = await knownTypes(connection, namespace);
  const missing = SEARCHABLE.filter(({ name }) => !known.has(name));
  const mistyped = SEARCHABLE.filter(({ name, type }) => known.has(name) && known.get(name) !== type);
  const { address } = connection.options;
  return {
    registered: SEARCHABLE.filter(({ name, type }) => known.get(name) === type).map(({ name }) => name),
    missing: missing.map(({ name }) => name),
    command: commands(connection, namespace, missing),
    mistyped: mistyped.map(({ name, type }) => ({
      problem: `${name} of namespace "${namespace}" is a ${known.get(name)}, not a ${type}`,
      command: `temporal operator search-attribute remove --address ${address} --namespace ${namespace} --name ${name}`,
    })),
  };
}

async function addMissing(connection: ServerAccess, namespace: string): Promise<void> {
  const attempts = await pRetry(
    async (attempt) => {
      const known = await knownTypes(connection, namespace);
      const missing = SEARCHABLE.filter(({ name }) => !known.has(name));
      if (missing.length === 0) return attempt;
      const searchAttributes = Object.fromEntries(missing.map(({ name, type }) => [name, WIRE_TYPES[type]]));
      // This fails if another process adds the same ones. Then the next attempt finds them.
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
      throw new Error(`still missing: ${missing.map(({ name }) => name).join(', ')}`);
    },
    { retries: REGISTER_ATTEMPTS, minTimeout: POLL_MS, factor: 1 },
  );
  if (attempts > 1) await untilUsable(connection, namespace);
}

/** The types of the server's search attributes by name. */
async function knownTypes(connection: ServerAccess, namespace: string): Promise<KnownTypes> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const nameOf = (wireType: number): SearchAttributeType | undefined =>
    (Object.keys(WIRE_TYPES) as SearchAttributeType[]).find((type) => WIRE_TYPES[type] === wireType); // keys of a const
  return new Map(Object.entries(customAttributes ?? {}).map(([name, type]) => [name, nameOf(type) ?? 'unknown type']));
}

/** A query by an attribute fails until the server knows it. */
async function untilUsable(connection: ServerAccess, namespace: string): Promise<void> {
  const query = SEARCHABLE.map(({ name }) => `${name} IS NULL`).join(' AND ');
  await untilAccepted(() => connection.workflowService.countWorkflowExecutions({ namespace, query }));
}

/** The parts of a server learn of a change one after the other, and fail until then. */
async function untilAccepted(ask: () => Promise<unknown>): Promise<void> {
  const retries = Number.POSITIVE_INFINITY;
  await pRetry(ask, { retries, minTimeout: POLL_MS, factor: 1, maxRetryTime: USABLE_TIMEOUT_MS });
}

async function lacking(connection: ServerAccess, namespace: string): Promise<readonly Searchable[]> {
  try {
    const known = await knownTypes(connection, namespace);
    return SEARCHABLE.filter(({ name }) => !known.has(name));
  } catch {
    return SEARCHABLE;
  }
}

/** A command for each type, since the CLI takes one type at a time. */
function commands(connection: ServerAccess, namespace: string, attributes: readonly Searchable[]): string {
  return (['KEYWORD', 'INT', 'DATETIME'] as const)
    .flatMap((type) => {
      const names = attributes.filter((attribute) => attribute.type === type).map(({ name }) => ` --name ${name}`);
      if (names.length === 0) return [];
      const target = `--address ${connection.options.address} --namespace ${namespace}`;
      return [`temporal operator search-attribute create ${target} --type ${CLI_TYPES[type]}${names.join('')}`];
    })
    .join(' && ');
}

async function checkRetention(connection: ServerAccess, namespace: string): Promise<string[]> {
  try {
    const { keptDays, command } = await readRetention(connection, namespace);
    if (command === undefined) return [];
    return [
      `Namespace "${namespace}" forgets a closed session after ${keptDays} days; then only its export in the ` +
        `archive is left. To keep them longer: ${command}`,
    ];
  } catch (error) {
    return [`How long namespace "${namespace}" keeps closed sessions cannot be read (${innermostMessage(error)}).`];
  }
}

/**
 * How long a namespace keeps closed sessions, in whole days. Undefined if the server sets no end. If it is under 10
 * years, the command makes it 10.
 * @throws the SDK's errors
 */
export async function readRetention(
  connection: ServerAccess,
  namespace: string,
): Promise<{ readonly keptDays: number | undefined; readonly command: string | undefined }> {
  const kept = await retentionMs(connection, namespace);
  if (kept === undefined) return { keptDays: undefined, command: undefined };
  const command =
    kept >= LEAST_RETENTION_MS ? undefined : namespaceCommand('update', connection.options.address, namespace);
  return { keptDays: Math.floor(kept / DAY_MS), command };
}

/** The command that creates or changes a namespace so that it keeps closed sessions for 10 years. */
export function namespaceCommand(verb: 'create' | 'update', address: string, namespace: string): string {
  const retention = `${OWN_RETENTION_MS / HOUR_MS}h`;
  return `temporal operator namespace ${verb} --address ${address} --namespace ${namespace} --retention ${retention}`;
}

async function retentionMs(connection: ServerAccess, namespace: string): Promise<number | undefined> {
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  const kept = config?.workflowExecutionRetentionTtl;
  return kept ? milliseconds(kept) : undefined;
}
