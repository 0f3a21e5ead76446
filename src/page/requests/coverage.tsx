/** What "allow for this session" would allow: one kind of call by a rule, or all calls of a category. */
import type { Coverage as Covered } from '../../client.ts';
import { Code } from '../text/visible.tsx';

export interface CoverageProps {
  readonly covers: Covered;
  /** Undefined: all calls. */
  readonly rule: string | undefined;
  readonly onRule: (rule: string | undefined) => void;
}

export function Coverage({ covers, rule, onRule }: CoverageProps) {
  const { tools } = covers;
  return (
    <fieldset>
      <legend>From now on, run without asking:</legend>
      {covers.rule === undefined ? null : (
        <label class="check">
          <input type="radio" name="coverage" checked={rule !== undefined} onChange={() => onRule(covers.rule)} />
          <span>
            only calls that this rule matches
            {rule === undefined ? null : (
              <input
                aria-label="Rule"
                class="rule"
                value={rule}
                onInput={(event) => onRule(event.currentTarget.value)}
              />
            )}
          </span>
        </label>
      )}
      {tools.length === 0 ? null : (
        <label class="check">
          <input type="radio" name="coverage" checked={rule === undefined} onChange={() => onRule(undefined)} />
          <span>
            every call of these tools, whatever its arguments
            <Code text={tools.join('\n')} label="Tools" />
          </span>
        </label>
      )}
    </fieldset>
  );
}
