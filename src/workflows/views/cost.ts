/** What usage costs, by the team's prices. */
import type { Usage } from '../../contracts/json.ts';
import type { Price, TeamDefinition } from '../../contracts/team.ts';

const TOKENS_OF_A_PRICE = 1_000_000;

/** US dollars for usage by `agent/model`; undefined if none of the models has a price. */
export function costOf(
  usage: Readonly<Record<string, Usage>>,
  { prices = {} }: Pick<TeamDefinition, 'prices'>,
): number | undefined {
  const costs = Object.entries(usage).flatMap(([key, used]) => {
    const model = key.slice(key.indexOf('/') + 1);
    const price = Object.hasOwn(prices, model) ? prices[model] : undefined;
    return price ? [costOfModel(used, price)] : [];
  });
  return costs.length === 0 ? undefined : costs.reduce((sum, cost) => sum + cost, 0);
}

/** Every kind of token at its own price. */
function costOfModel({ inputTokens, cachedTokens, cacheWriteTokens, outputTokens }: Usage, price: Price): number {
  const fresh = Math.max(0, inputTokens - cachedTokens - cacheWriteTokens);
  const dollars =
    fresh * price.input +
    cachedTokens * (price.cached ?? price.input) +
    cacheWriteTokens * (price.cacheWrite ?? price.input) +
    outputTokens * price.output;
  return dollars / TOKENS_OF_A_PRICE;
}
