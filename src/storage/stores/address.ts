/** The address of a payload store, as operators write it. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';

export interface S3Address {
  readonly bucket: string;
  /** Default: of the profile. */
  readonly region?: string;
  /** A server that is not AWS, such as `http://localhost:9000`; buckets are paths below it. Default: AWS. */
  readonly endpoint?: string;
  /** Default: found as AWS's own programs do, in a profile or the role of the machine. */
  readonly credentials?: S3Credentials;
  /** Section of AWS's configuration files. Default: `default`. */
  readonly profile?: string;
}

interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** For temporary credentials. */
  readonly sessionToken?: string;
}

/** A folder, or a part of a bucket. */
export type PayloadStoreAddress =
  | { readonly kind: 'folder'; readonly path: string }
  | ({
      readonly kind: 's3';
      /** All keys begin with it. No slash at either end; may be empty. */
      readonly prefix: string;
    } & S3Address);

/** Bucket and prefix. A prefix has only characters that need no escapes. */
const S3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/+[A-Za-z0-9!_*'()-][A-Za-z0-9!_.*'()-]*)*\/*)$/;

/**
 * @param value the path of a folder, or `s3://bucket/prefix`
 * @param environment may hold the variables of AWS's own programs: keys, profile, region, endpoint
 * @returns the address, or what is wrong with it
 */
export function parseStoreAddress(
  value: string,
  environment: Readonly<Record<string, string>>,
): PayloadStoreAddress | string {
  if (/^[a-z0-9+.-]+:\/\//i.test(value)) return parseS3(value, environment);
  const path = resolve(value);
  // The program never creates it: a share that is not mounted would look like an empty one.
  const isThere = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isThere ? { kind: 'folder', path } : 'there is no such folder; create or mount it';
}

function parseS3(value: string, environment: Readonly<Record<string, string>>): PayloadStoreAddress | string {
  const [, bucket, prefix = ''] = S3.exec(value) ?? [];
  if (bucket === undefined) return 'use the path of a folder, or s3://bucket/prefix';
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
    AWS_PROFILE: profile,
  } = environment;
  const endpoint = (environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'])?.replace(/\/+$/, '');
  if (endpoint !== undefined && !/^https?:\/\/[^/?#@]+$/.test(endpoint)) {
    return 'AWS_ENDPOINT_URL_S3 must be scheme, host and port, such as http://localhost:9000';
  }
  const region = environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? (endpoint && 'us-east-1');
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    return 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; set both or neither';
  }
  const keys =
    accessKeyId === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return {
    kind: 's3',
    bucket,
    prefix: prefix.replaceAll(/^\/+|\/+$/g, '').replaceAll(/\/+/g, '/'),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(keys === undefined ? {} : { credentials: keys }),
    ...(profile === undefined ? {} : { profile }),
  };
}
