/** Where large payloads are kept: how operators write it down. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { S3Address } from './s3.ts';

/** A folder, or a part of a bucket. */
export type PayloadStoreAddress =
  | { readonly kind: 'folder'; readonly path: string }
  | ({
      readonly kind: 's3';
      /** What all keys begin with, without a slash at either end; may be empty. */
      readonly prefix: string;
    } & S3Address);

/** Bucket and prefix; of prefixes only what needs no escapes. */
const S3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/+[A-Za-z0-9!_*'()-][A-Za-z0-9!_.*'()-]*)*\/*)$/;

/**
 * @param value the path of a folder, or `s3://bucket/prefix`
 * @param environment the variables of AWS's own programs: keys, region, and the endpoint of another server
 * @returns the address, or what is wrong
 */
export function parseStoreAddress(
  value: string,
  environment: Readonly<Record<string, string>>,
): PayloadStoreAddress | string {
  if (/^[a-z0-9+.-]+:\/\//i.test(value)) return parseS3(value, environment);
  const path = resolve(value);
  // Never made: a share that is not mounted would look like an empty one.
  const isThere = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isThere ? { kind: 'folder', path } : 'there is no such folder; make it, or mount it';
}

function parseS3(value: string, environment: Readonly<Record<string, string>>): PayloadStoreAddress | string {
  const [, bucket, prefix = ''] = S3.exec(value) ?? [];
  if (bucket === undefined) return 'use the path of a folder, or s3://bucket/prefix';
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = environment;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    return 'S3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, too';
  }
  const endpoint = (environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'])?.replace(/\/+$/, '');
  if (endpoint !== undefined && !/^https?:\/\/[^/?#@]+$/.test(endpoint)) {
    return 'AWS_ENDPOINT_URL_S3 is to be scheme, host and port, such as http://localhost:9000';
  }
  const region = environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? (endpoint && 'us-east-1');
  if (region === undefined) return 'S3 needs AWS_REGION, too';
  return {
    kind: 's3',
    bucket,
    prefix: prefix.replaceAll(/^\/+|\/+$/g, '').replaceAll(/\/+/g, '/'),
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  };
}
