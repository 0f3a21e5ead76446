/** Tokens, calls and cost of a session, in total and by agent. */
import type { SessionReport, Usage } from '../../client.ts';
import { Visible } from '../text/visible.tsx';
import { count, money, tokens } from '../text/words.ts';

export function UsagePanel({ report: { usage, usageByAgent, cost, turns } }: { readonly report: SessionReport }) {
  const agents = Object.entries(usageByAgent).toSorted(([, one], [, other]) => tokens(other) - tokens(one));
  const largest = Math.max(1, ...agents.map(([, one]) => tokens(one)));
  return (
    <>
      <p class="big">{cost === null ? count(tokens(usage), 'token') : money(cost)}</p>
      <p class="hint">
        {count(turns, 'turn')} · {count(usage.modelCalls, 'model call')} · {count(usage.toolCalls, 'tool call')}
      </p>
      <dl class="facts">
        {rowsOf(usage).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value.toLocaleString('en')}</dd>
          </div>
        ))}
      </dl>
      {cost === null ? <p class="hint">The team has no prices for its models, so there is no cost.</p> : null}
      {agents.length === 0 ? null : <h3>By agent and model</h3>}
      <ul class="agents">
        {agents.map(([name, one]) => (
          <li key={name}>
            <span>
              <Visible text={name} />
            </span>
            <span>{tokens(one).toLocaleString('en')}</span>
            <meter min={0} max={largest} value={tokens(one)} aria-label={`Tokens of ${name}`} />
          </li>
        ))}
      </ul>
    </>
  );
}

function rowsOf(usage: Usage): readonly (readonly [string, number])[] {
  const rows = [
    ['Input tokens', usage.inputTokens],
    ['of them cached', usage.cachedTokens],
    ['Output tokens', usage.outputTokens],
    ['of them reasoning', usage.reasoningTokens],
    ['Calls with estimated tokens', usage.estimatedCalls],
  ] as const;
  return rows.filter(([name, value]) => value > 0 || !/^(?:of|Calls)/.test(name));
}
