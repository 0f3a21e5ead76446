/** Random choices that a seed draws again. */

/** Seed of this run, which random tests print. `COPILOT_TEST_SEED` draws the same cases again. */
export const seed = Number(process.env['COPILOT_TEST_SEED'] ?? Date.now() % 1_000_000);

/** Numbers from 0 up to 1, the same ones for the same seed (mulberry32). */
export function seededRandom(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** So many of them, without repetition; the same ones for the same seed. */
export function draw<T>(all: readonly T[], count: number, from: number): T[] {
  const random = seededRandom(from);
  const left = [...all];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(Math.floor(random() * left.length), 1),
  ).flat();
}
