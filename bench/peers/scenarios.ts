/**
 * What is measured of each peer. Every round runs all peers, one after the other, so that other load on the machine meets
 * all of them; each round begins with another one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerProcess } from './peer-process.ts';

/** Conversations that are opened at the same time. */
const OPEN_AT_ONCE = 20;
/** Turns of P01 in a round, after one that warms up. */
const LATENCY_TURNS = 20;
/** Turns of each conversation of P02 in a round, after one that warms up. */
const RATE_TURNS = 5;
/** Turns that a peer takes before it is the next one's turn (P04). */
const BLOCK = 25;
/** Turns of which P04 takes the median: those around the tenth, and the last. */
const COMPARED = 11;
/** Conversations of a round of P03 and P08. */
const OPENED = 50;
/** Before memory is read. */
const SETTLE_MS = 1_500;

/** Of the time for all. A measurement ends with the round in which its share is over. */
const SHARES = { latency: 0.1, rate: 0.3, long: 0.3, opening: 0.3 };

export interface Sizes {
  /** At most. */
  readonly rounds: number;
  /** For all measurements together. */
  readonly minutes: number;
  /** Conversations of P02. */
  readonly conversations: number;
  /** Turns of the conversation of P04, at most. */
  readonly turns: number;
}

/** Everything that was measured of one peer; lists have one value for each round if nothing else is said. */
export class Figures {
  /** P01, one value for each turn. */
  readonly turnMs: number[][] = [];
  /** P02: turns a second. */
  readonly turnsPerSecond: number[] = [];
  /** P02: of application and servers. */
  readonly applicationCpuMs: number[] = [];
  readonly serverCpuMs: number[] = [];
  /** P03: conversations opened a second. */
  readonly opensPerSecond: number[] = [];
  /** P04: one value for each turn. */
  readonly longTurnMs: number[] = [];
  /** P08: kilobytes for each conversation. */
  readonly applicationMemory: number[] = [];
  readonly serverMemory: number[] = [];

  /** Medians of the turns around the tenth and of the last turns. */
  longTurns(): readonly [number, number] {
    const from = 10 - Math.ceil(COMPARED / 2);
    return [median(this.longTurnMs.slice(from, from + COMPARED)), median(this.longTurnMs.slice(-COMPARED))];
  }
}

type Measure = (peer: PeerProcess, figures: Figures) => Promise<void>;

export async function measurePeers(
  peers: readonly PeerProcess[],
  { rounds, minutes, conversations, turns }: Sizes,
  log: (line: string) => void,
): Promise<ReadonlyMap<PeerProcess, Figures>> {
  const all = new Map(peers.map((peer) => [peer, new Figures()]));
  const inRounds = async (name: keyof typeof SHARES, count: number, measure: Measure): Promise<void> => {
    const startedAt = performance.now();
    const elapsedMs = () => performance.now() - startedAt;
    let round = 0;
    while (round < count && elapsedMs() < SHARES[name] * minutes * 60_000) {
      for (const [peer, figures] of rotated([...all], round)) {
        try {
          await measure(peer, figures);
        } catch (error) {
          log(`${peer.name} is left out: ${String(error)}`);
          all.delete(peer);
        }
      }
      round++;
    }
    log(`${name}: ${round} rounds in ${(elapsedMs() / 1_000).toFixed(0)} s`);
  };
  await inRounds('latency', rounds, measureLatency);
  await inRounds('rate', rounds, (peer, figures) => measureRate(peer, figures, conversations));
  await inRounds('opening', rounds, measureOpening);
  for (const peer of all.keys()) await peer.open(1, 1);
  await inRounds('long', Math.ceil(turns / BLOCK), async (peer, figures) => {
    figures.longTurnMs.push(...(await peer.talk(BLOCK)).turnMs);
  });
  return all;
}

const measureLatency: Measure = async (peer, figures) => {
  await peer.open(1, 1);
  await peer.talk(1);
  figures.turnMs.push([...(await peer.talk(LATENCY_TURNS)).turnMs]);
};

async function measureRate(peer: PeerProcess, figures: Figures, conversations: number): Promise<void> {
  await peer.open(conversations, OPEN_AT_ONCE);
  await peer.talk(1);
  const before = peer.usage();
  const { totalMs, turnMs } = await peer.talk(RATE_TURNS);
  const after = peer.usage();
  figures.turnsPerSecond.push((1_000 * turnMs.length) / totalMs);
  figures.applicationCpuMs.push((after.application.cpuMs - before.application.cpuMs) / turnMs.length);
  figures.serverCpuMs.push((after.servers.cpuMs - before.servers.cpuMs) / turnMs.length);
}

const measureOpening: Measure = async (peer, figures) => {
  await sleep(SETTLE_MS);
  const before = peer.usage();
  const { totalMs } = await peer.open(OPENED, OPEN_AT_ONCE);
  figures.opensPerSecond.push((1_000 * OPENED) / totalMs);
  await peer.talk(1);
  await sleep(SETTLE_MS);
  const after = peer.usage();
  const grown = (of: 'application' | 'servers') => (after[of].memoryBytes - before[of].memoryBytes) / OPENED / 1_000;
  figures.applicationMemory.push(grown('application'));
  figures.serverMemory.push(grown('servers'));
};

function rotated<One>(all: readonly One[], by: number): One[] {
  const from = by % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);
