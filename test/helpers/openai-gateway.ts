/** A gateway with the official OpenAI client, over a team that runs code, writes files and asks questions. */
import OpenAI from 'openai';
import { addKey, startGatewayProcess, type TestGateway } from './gateway.ts';
import { startWorldOf } from './own-team.ts';
import type { World } from './world.ts';

export interface OpenAiGateway {
  readonly world: World;
  readonly gateway: TestGateway;
  /** Of the client, whose caller is ada. */
  readonly key: string;
  readonly client: OpenAI;
}

export async function startOpenAiGateway(): Promise<OpenAiGateway> {
  const tools = ['read_file', 'write_file', 'run_code', 'ask_user'];
  const world = await startWorldOf({ default: { agents: { engineer: { tools }, writer: { tools } } } });
  const key = await addKey(world, 'ada');
  const gateway = await startGatewayProcess(world);
  const client = new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: key, maxRetries: 0 });
  return { world, gateway, key, client };
}
