/** The official server-everything, over stdio, two seconds late: as servers are that load a model or are fetched first. */
import { setTimeout as sleep } from 'node:timers/promises';
import { serverScript } from '../test/helpers/mcp.ts';

await sleep(2_000);
await import(serverScript('everything'));
