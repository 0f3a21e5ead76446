/**
 * Access without a key for whoever runs the gateway on this machine. A link that works once gives a browser a secret of the
 * home folder as its cookie. It outlives the gateway, so that a browser stays signed in when the gateway is started again.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../../server/lock.ts';
import { writeAtomically } from '../../storage/atomic-file.ts';
import type { Principal } from './principal.ts';

const SECRET_BYTES = 32;
const SECRET = /^[\w-]{43}$/;
const LOCAL: Principal = { name: 'local', role: 'operator' };

export class LocalAccess {
  readonly #secret: string;
  #code = newSecret();

  private constructor(secret: string) {
    this.#secret = secret;
  }

  static async open(homeDir: string): Promise<LocalAccess> {
    const path = join(homeDir, 'gateway-local-secret');
    return await withLock(`${path}.lock`, async () => {
      const known = await readFile(path, 'utf8').catch(() => '');
      if (SECRET.test(known)) return new LocalAccess(known);
      const secret = newSecret();
      await writeAtomically(path, secret);
      return new LocalAccess(secret);
    });
  }

  /** What the next link must name. */
  get code(): string {
    return this.#code;
  }

  /** Uses the code up. @returns the secret for the cookie, or undefined for another code */
  redeem(code: string): string | undefined {
    if (!isEqual(code, this.#code)) return undefined;
    this.#code = newSecret();
    return this.#secret;
  }

  /** Whose secret it is. */
  find(secret: string): Principal | undefined {
    return isEqual(secret, this.#secret) ? LOCAL : undefined;
  }
}

const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');

function isEqual(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}
