/** Ids that sort by time. Random bytes are fetched in advance: the package fetches them for each character, which costs 0.1 ms. */
import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';

const random = new Uint8Array(1_024);
let used = random.length;

export const newUlid = monotonicFactory(() => {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  return (random[used++] ?? 0) / 256;
});
