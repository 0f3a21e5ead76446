/** Keys of the gateway, in a file of the home folder. It keeps hashes, so that nobody reads a key from it. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { Label } from '../../contracts/session.ts';
import { withLock } from '../../server/lock.ts';
import { writeAtomically } from '../../storage/atomic-file.ts';
import { type Principal, Role } from './principal.ts';

const KEY_PREFIX = 'cpk_';
const KEY_BYTES = 32;

const StoredKey = z.strictObject({
  id: z.string(),
  name: Label,
  role: Role,
  /** SHA-256 of the key in hex. A key has 256 random bits, so nothing slower is needed. */
  hash: z.string(),
  createdAt: z.string(),
});
const KeyFile = z.array(StoredKey);
/** A key without its hash. */
export type KeyInfo = Omit<z.infer<typeof StoredKey>, 'hash'>;

/** The keys of a home folder. Changes by other processes count from the next request on. */
export class KeyStore {
  readonly #path: string;
  #state: string | undefined;
  #byHash: ReadonlyMap<string, Principal> = new Map();

  constructor(homeDir: string) {
    this.#path = join(homeDir, 'gateway-keys.json');
  }

  /** Adds a key. @returns the key, which can never be read again */
  async add(name: string, role: Role): Promise<{ readonly key: string; readonly info: KeyInfo }> {
    const key = KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
    const info = { id: randomUUID().slice(0, 8), name, role, createdAt: new Date().toISOString() };
    await this.#change((keys) => [...keys, { ...info, hash: hashOf(key) }]);
    return { key, info };
  }

  async list(): Promise<readonly KeyInfo[]> {
    return (await this.#read()).map(({ hash: _, ...info }) => info);
  }

  /** @returns the keys that were revoked: the one of this id, or all of this name */
  async revoke(idOrName: string): Promise<readonly KeyInfo[]> {
    const isMeant = ({ id, name }: KeyInfo): boolean => id === idOrName || name === idOrName;
    const revoked = (await this.list()).filter(isMeant);
    if (revoked.length > 0) await this.#change((keys) => keys.filter((key) => !isMeant(key)));
    return revoked;
  }

  /** Whose key it is. Undefined if there is no such key. */
  async find(key: string): Promise<Principal | undefined> {
    const file = await stat(this.#path).catch(ignoreMissing);
    // Each change makes a new file.
    const state = file === undefined ? 'missing' : `${file.ino} ${file.mtimeMs}`;
    if (state !== this.#state) {
      const keys = await this.#read();
      this.#byHash = new Map(keys.map(({ hash, name, role }) => [hash, { name, role }]));
      this.#state = state;
    }
    return this.#byHash.get(hashOf(key));
  }

  async #read(): Promise<z.infer<typeof KeyFile>> {
    const text = await readFile(this.#path, 'utf8').catch(ignoreMissing);
    if (text === undefined) return [];
    try {
      return KeyFile.parse(JSON.parse(text));
    } catch (cause) {
      const problem = 'it cannot be read as a file of keys; mend it, or remove it and add the keys again';
      throw new CopilotError('InvalidInput', { what: this.#path, problem }, { cause });
    }
  }

  async #change(change: (keys: z.infer<typeof KeyFile>) => z.infer<typeof KeyFile>): Promise<void> {
    await withLock(`${this.#path}.lock`, async () => {
      await writeAtomically(this.#path, `${JSON.stringify(change(await this.#read()), undefined, 2)}\n`);
    });
  }
}

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
