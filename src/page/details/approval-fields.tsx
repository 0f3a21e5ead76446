/** What waits for a person: plans, steps, and tools by category or rule. */
import type { Approvals, ToolCategory, ToolPolicy } from '../../client.ts';

const WAITS = [
  ['plan', 'Plans'],
  ['beforeStep', 'Steps, before they begin'],
  ['afterStep', 'Results of steps'],
] as const;

const CATEGORIES: Readonly<Record<ToolCategory, string>> = {
  read: 'Reading files',
  write: 'Writing files',
  network: 'Network',
  code: 'Code',
  shell: 'Commands',
  conversation: 'Questions and memory',
};
const POLICIES: readonly ToolPolicy[] = ['allow', 'ask', 'deny'];

interface ApprovalFieldsProps {
  readonly approvals: Approvals;
  readonly onChange: (approvals: Approvals) => void;
}

export function ApprovalFields({ approvals, onChange }: ApprovalFieldsProps) {
  const tools = approvals.tools ?? {};
  return (
    <>
      <fieldset>
        <legend>Wait for a person</legend>
        {WAITS.map(([name, words]) => (
          <Choice
            key={name}
            words={words}
            options={['yes', 'no']}
            value={approvals[name] === undefined ? undefined : approvals[name] ? 'yes' : 'no'}
            onChoose={(value) =>
              onChange(withField(approvals, name, value === undefined ? undefined : value === 'yes'))
            }
          />
        ))}
      </fieldset>
      <fieldset>
        <legend>Tools</legend>
        {Object.entries(CATEGORIES).map(([category, words]) => (
          <Choice
            key={category}
            words={words}
            options={POLICIES}
            value={tools[category as ToolCategory]} // a key of the table
            onChoose={(policy) => onChange(withField(approvals, 'tools', filled(withField(tools, category, policy))))}
          />
        ))}
      </fieldset>
      <Rules
        rules={approvals.rules ?? {}}
        onRules={(rules) => onChange(withField(approvals, 'rules', filled(rules)))}
      />
    </>
  );
}

function withField<Value extends object>(value: Value, name: string, field: unknown): Value {
  const others = Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));
  return (field === undefined ? others : { ...others, [name]: field }) as Value; // the field's own type
}

const filled = <Value extends object>(value: Value): Value | undefined =>
  Object.keys(value).length === 0 ? undefined : value;

interface ChoiceProps<Option extends string> {
  readonly words: string;
  readonly options: readonly Option[];
  readonly value: Option | undefined;
  readonly onChoose: (value: Option | undefined) => void;
}

function Choice<Option extends string>({ words, options, value, onChoose }: ChoiceProps<Option>) {
  return (
    <label class="in-line">
      <span>{words}</span>
      <select
        value={value ?? ''}
        onChange={({ currentTarget }) => onChoose(options.find((option) => option === currentTarget.value))}
      >
        <option value="">default</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

interface RulesProps {
  readonly rules: Readonly<Record<string, ToolPolicy>>;
  readonly onRules: (rules: Readonly<Record<string, ToolPolicy>>) => void;
}

/** Rules such as `shell: git status*`. */
function Rules({ rules, onRules }: RulesProps) {
  const entries = Object.entries(rules);
  const replace = (index: number, entry: readonly [string, ToolPolicy] | undefined): void =>
    onRules(Object.fromEntries(entries.flatMap((old, at) => (at === index ? (entry ? [entry] : []) : [old]))));
  return (
    <fieldset>
      <legend>Rules</legend>
      {entries.map(([rule, policy], index) => (
        <div key={index} class="in-line rule-row">
          <input
            aria-label={`Rule ${index + 1}`}
            class="rule"
            value={rule}
            onInput={({ currentTarget }) => replace(index, [currentTarget.value, policy])}
          />
          <select
            aria-label={`What rule ${index + 1} does`}
            value={policy}
            onChange={({ currentTarget }) =>
              replace(index, [rule, POLICIES.find((one) => one === currentTarget.value) ?? policy])
            }
          >
            {POLICIES.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
          <button
            type="button"
            class="plain"
            aria-label={`Remove rule ${index + 1}`}
            onClick={() => replace(index, undefined)}
          >
            ✕
          </button>
        </div>
      ))}
      <button type="button" disabled={'' in rules} onClick={() => onRules({ ...rules, '': 'ask' })}>
        Add a rule, such as <code>shell: git status*</code>
      </button>
    </fieldset>
  );
}
