/** Ports for what tests start. */
import { randomInt } from 'node:crypto';
import getPort, { portNumbers } from 'get-port';

/**
 * Systems give their outgoing connections ports from 32,768 on (Linux) or 49,152 on, so a port below stays free while a
 * server that a test has killed is away. A Temporal server also keeps ports of its members in 16 bits with a sign.
 */
const HIGHEST_PORT = 32_767;
const LOWEST_PORT = 15_000;
/** Where the search begins: processes that search at the same time must not find the same. */
const FIRST_PORT = randomInt(LOWEST_PORT + 1, HIGHEST_PORT);
const USABLE = [...portNumbers(FIRST_PORT, HIGHEST_PORT), ...portNumbers(LOWEST_PORT, FIRST_PORT - 1)];

/** A port of 127.0.0.1 that nothing listens on. */
export async function freePort(): Promise<number> {
  return await getPort({ host: '127.0.0.1', port: USABLE });
}
