/** One model of a provider of its own, for tests that call models without a team. */
import type { Model } from '../../src/models/model.ts';
import { openAi, type OpenAiOptions } from '../../src/models/openai/provider.ts';

export interface OpenModel extends Model {
  close(): Promise<void>;
}

/** @param name of the model; default `m` */
export function openModel(options: OpenAiOptions, name = 'm'): OpenModel {
  const provider = openAi(options);
  return { ...provider.model(name), close: () => provider.close() };
}
