/** The official server-everything over stdio, with a delay of two seconds like servers that load a model or are downloaded first. */
import { setTimeout as sleep } from 'node:timers/promises';
import { serverScript } from '../test/helpers/mcp.ts';

await sleep(2_000);
await import(serverScript('everything'));
