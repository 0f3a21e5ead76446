/** A payload store in an S3 bucket, by AWS's own client: a peer dependency that only those need who name a bucket. */
import type * as aws from '@aws-sdk/client-s3';
import { CopilotError } from '../../contracts/errors.ts';
import type { S3Address } from './address.ts';
import { type ObjectStore, storeUnavailable } from './object-store.ts';

const PACKAGE = '@aws-sdk/client-s3';
const ATTEMPTS = 3;
const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
const DELETES_AT_ONCE = 8;

type Sdk = typeof aws;
type Work<T> = (sdk: Sdk, client: aws.S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>;

/** Asks nothing of the bucket before it is used. @param load imports AWS's client */
export function openS3Store(
  address: S3Address,
  load: () => Promise<Sdk> = () => import('@aws-sdk/client-s3'),
): ObjectStore {
  const Bucket = address.bucket;
  const place = `s3://${Bucket}`;
  let opening: Promise<{ sdk: Sdk; client: aws.S3Client }> | undefined;

  /** @param what for people, such as `PUT` */
  async function call<T>(what: string, signal: AbortSignal | undefined, work: Work<T>): Promise<T> {
    const { sdk, client } = await (opening ??= openClient(address, load));
    try {
      return await work(sdk, client, signal ? { abortSignal: signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      throw storeUnavailable(place, `${what}: ${problemIn(error)}`, error);
    }
  }

  const remove = (Key: string, signal?: AbortSignal): Promise<void> =>
    call('DELETE', signal, async (sdk, client, options) => {
      await client.send(new sdk.DeleteObjectCommand({ Bucket, Key }), options);
    });
  return {
    place,
    has: (Key, signal) =>
      call('HEAD', signal, async (sdk, client, options) => {
        const found = client.send(new sdk.HeadObjectCommand({ Bucket, Key }), options);
        return (await unlessMissing(found)) !== undefined;
      }),
    put: (Key, Body, signal) =>
      call('PUT', signal, async (sdk, client, options) => {
        await client.send(new sdk.PutObjectCommand({ Bucket, Key, Body }), options);
      }),
    get: (Key, signal) =>
      call('GET', signal, async (sdk, client, options) => {
        const found = client.send(new sdk.GetObjectCommand({ Bucket, Key }), options);
        return await (await unlessMissing(found))?.Body?.transformToByteArray();
      }),
    remove,
    removeAll: async (Prefix, signal) => {
      for (;;) {
        const { Contents: objects = [] } = await call('LIST', signal, (sdk, client, options) =>
          client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix }), options),
        );
        if (objects.length === 0) return;
        // Not all servers know S3's deletion of many objects at once.
        for (let start = 0; start < objects.length; start += DELETES_AT_ONCE) {
          const batch = objects.slice(start, start + DELETES_AT_ONCE);
          await Promise.all(batch.map(({ Key = '' }) => remove(Key, signal)));
        }
      }
    },
  };
}

async function openClient(
  { bucket, region, endpoint, credentials, profile }: S3Address,
  load: () => Promise<Sdk>,
): Promise<{ sdk: Sdk; client: aws.S3Client }> {
  const sdk = await load().catch((cause: unknown) => {
    const problem = `a bucket needs the package ${PACKAGE}, which is not installed; run \`npm install ${PACKAGE}\``;
    throw new CopilotError(
      'InvalidConfig',
      { name: 'COPILOT_PAYLOAD_STORE', value: `s3://${bucket}`, problem },
      { cause },
    );
  });
  const client = new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(profile === undefined ? {} : { profile }),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
    // Many servers that are not AWS refuse the checksums that its client adds by default; ours are in the keys.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return { sdk, client };
}

/** HEAD has no body that could tell a missing bucket from a missing key. */
const MISSING = ['NoSuchKey', 'NotFound'];

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  return await found.catch((error: unknown) => {
    if (error instanceof Error && MISSING.includes(error.name)) return undefined;
    throw error;
  });
}

/** Status and code of an answer, or what the system says of a connection. */
function problemIn(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = '$metadata' in error ? (error.$metadata as { httpStatusCode?: number }).httpStatusCode : undefined;
  if (status !== undefined) return `status ${status}, ${error.name}${error.message ? `: ${error.message}` : ''}`;
  return error.message || ('code' in error ? String(error.code) : error.name);
}
