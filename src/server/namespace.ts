/** What a namespace must have before sessions run in it: search attributes, and a retention that keeps closed sessions. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import type { SearchAttributeType } from '@temporalio/common';
import { msToTs, optionalTsToMs } from '@temporalio/common/lib/time.js';
import { reasonOf } from '../connection/server-link.ts';
import { SEARCH_ATTRIBUTES } from '../contracts/search-attributes.ts';

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;
const OWN_RETENTION_MS = 3_653 * DAY_MS;
/** Ten years without their leap days, since somebody may count so. */
const LEAST_RETENTION_MS = 3_650 * DAY_MS;
/** A cluster re-reads its search attributes once a minute; the development server does so at once. */
const USABLE_TIMEOUT_MS = 90_000;
const POLL_MS = 100;
const REGISTER_ATTEMPTS = 3;
const GRPC_NOT_FOUND = 5;

const SEARCHABLE = SEARCH_ATTRIBUTES.map(({ name, type }) => ({ name, type }));
type Searchable = (typeof SEARCHABLE)[number];
type KnownTypes = ReadonlyMap<string, SearchAttributeType | 'unknown type'>;

export interface SearchAttributeState {
  readonly registered: readonly string[];
  readonly missing: readonly string[];
  /** Registers what is missing; empty where nothing is. */
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

/** What the types are called in the `temporal` CLI. */
const CLI_TYPES = { KEYWORD: 'Keyword', INT: 'Int', DATETIME: 'Datetime' } as const satisfies Partial<
  Record<SearchAttributeType, string>
>;

/** `Name=Type` of every search attribute, as `temporal server start-dev --search-attribute` takes them. */
export const SEARCH_ATTRIBUTE_FLAGS = SEARCHABLE.flatMap(({ name, type }) => [
  '--search-attribute',
  `${name}=${CLI_TYPES[type]}`,
]);

/**
 * Registers the search attributes that the namespace lacks and waits until they can be used. Any number of
 * processes may do so at once, on any server.
 * @returns one warning for each thing that the server refuses or keeps too short, with the command to run
 */
export async function prepareNamespace(connection: Connection, namespace: string): Promise<{ warnings: string[] }> {
  return {
    warnings: [
      ...(await registerSearchAttributes(connection, namespace)),
      ...(await checkRetention(connection, namespace)),
    ],
  };
}

/** Makes the namespace of a server of ours, where it lacks one, and has it keep closed sessions for 10 years. */
export async function keepClosedSessions(connection: Connection, namespace: string): Promise<void> {
  const workflowExecutionRetentionTtl = msToTs(OWN_RETENTION_MS);
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

async function registerSearchAttributes(connection: Connection, namespace: string): Promise<string[]> {
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
        `The search attributes of namespace "${namespace}" are registered, but not usable yet (${reasonOf(error)}).`,
      ];
    }
    return [
      `The server does not let this program register search attributes in namespace "${namespace}" (${reasonOf(error)}). ` +
        `Sessions cannot start until somebody who may runs: ${commands(connection, namespace, still)}`,
    ];
  }
}

/**
 * The search attributes that a namespace has, those that it lacks, with the command that registers them, and those
 * of another type, each with the command that removes it. Changes nothing.
 * @throws what the SDK throws
 */
export async function readSearchAttributes(connection: Connection, namespace: string): Promise<SearchAttributeState> {
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

async function addMissing(connection: Connection, namespace: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const known = await knownTypes(connection, namespace);
    const missing = SEARCHABLE.filter(({ name }) => !known.has(name));
    if (missing.length === 0) {
      if (attempt > 1) await untilUsable(connection, namespace);
      return;
    }
    try {
      const searchAttributes = Object.fromEntries(missing.map(({ name, type }) => [name, WIRE_TYPES[type]]));
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    } catch (error) {
      // Another process may be adding the same ones; then the next look finds them.
      if (attempt === REGISTER_ATTEMPTS) throw error;
      await sleep(POLL_MS);
    }
    if (attempt > REGISTER_ATTEMPTS) throw new Error(`still missing: ${missing.map(({ name }) => name).join(', ')}`);
  }
}

/** Types by name, as the server has them now. */
async function knownTypes(connection: Connection, namespace: string): Promise<KnownTypes> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const nameOf = (wireType: number): SearchAttributeType | undefined =>
    (Object.keys(WIRE_TYPES) as SearchAttributeType[]).find((type) => WIRE_TYPES[type] === wireType); // keys of a const
  return new Map(Object.entries(customAttributes ?? {}).map(([name, type]) => [name, nameOf(type) ?? 'unknown type']));
}

/** A query by each attribute fails until the server has taken all of them up. */
async function untilUsable(connection: Connection, namespace: string): Promise<void> {
  const query = SEARCHABLE.map(({ name }) => `${name} IS NULL`).join(' AND ');
  await untilAccepted(() => connection.workflowService.countWorkflowExecutions({ namespace, query }));
}

/** The parts of a server take up what is new one after the other; until then they refuse to know it. */
async function untilAccepted(ask: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + USABLE_TIMEOUT_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(POLL_MS);
    }
  }
}

async function lacking(connection: Connection, namespace: string): Promise<readonly Searchable[]> {
  try {
    const known = await knownTypes(connection, namespace);
    return SEARCHABLE.filter(({ name }) => !known.has(name));
  } catch {
    return SEARCHABLE;
  }
}

/** One command for each type, since the CLI takes one type at a time. */
function commands(connection: Connection, namespace: string, attributes: readonly Searchable[]): string {
  return (['KEYWORD', 'INT', 'DATETIME'] as const)
    .flatMap((type) => {
      const names = attributes.filter((attribute) => attribute.type === type).map(({ name }) => ` --name ${name}`);
      if (names.length === 0) return [];
      const target = `--address ${connection.options.address} --namespace ${namespace}`;
      return [`temporal operator search-attribute create ${target} --type ${CLI_TYPES[type]}${names.join('')}`];
    })
    .join(' && ');
}

async function checkRetention(connection: Connection, namespace: string): Promise<string[]> {
  try {
    const { keptDays, command } = await readRetention(connection, namespace);
    if (command === undefined) return [];
    return [
      `Namespace "${namespace}" forgets a closed session after ${keptDays} days; then only its export in the ` +
        `archive is left. To keep them longer: ${command}`,
    ];
  } catch (error) {
    return [`How long namespace "${namespace}" keeps closed sessions cannot be read (${reasonOf(error)}).`];
  }
}

/**
 * How long a namespace keeps closed sessions, in whole days; undefined where the server sets no end. The command
 * makes it 10 years and is there where it is less.
 * @throws what the SDK throws
 */
export async function readRetention(
  connection: Connection,
  namespace: string,
): Promise<{ readonly keptDays: number | undefined; readonly command: string | undefined }> {
  const kept = await retentionMs(connection, namespace);
  if (kept === undefined) return { keptDays: undefined, command: undefined };
  const command =
    kept >= LEAST_RETENTION_MS ? undefined : namespaceCommand('update', connection.options.address, namespace);
  return { keptDays: Math.floor(kept / DAY_MS), command };
}

/** Makes a namespace, or changes it, so that it keeps closed sessions for 10 years. */
export function namespaceCommand(verb: 'create' | 'update', address: string, namespace: string): string {
  const retention = `${OWN_RETENTION_MS / HOUR_MS}h`;
  return `temporal operator namespace ${verb} --address ${address} --namespace ${namespace} --retention ${retention}`;
}

async function retentionMs(connection: Connection, namespace: string): Promise<number | undefined> {
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  return optionalTsToMs(config?.workflowExecutionRetentionTtl);
}
