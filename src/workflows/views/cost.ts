/** What usage costs, by the team's prices. */
import type { Usage } from '../../contracts/json.ts';
import type { TeamDefinition } from '../../contracts/team.ts';

const TOKENS_OF_A_PRICE = 1_000_000;

/** US dollars for usage by `agent/model`; undefined if none of the models has a price. */
export function costOf(
  usage: Readonly<Record<string, Usage>>,
  { prices = {} }: Pick<TeamDefinition, 'prices'>,
): number | undefined {
  const costs = Object.entries(usage).flatMap(([key, { inputTokens, outputTokens }]) => {
    const model = key.slice(key.indexOf('/') + 1);
    const price = Object.hasOwn(prices, model) ? prices[model] : undefined;
    return price ? [(inputTokens * price.input + outputTokens * price.output) / TOKENS_OF_A_PRICE] : [];
  });
  return costs.length === 0 ? undefined : costs.reduce((sum, cost) => sum + cost, 0);
}
