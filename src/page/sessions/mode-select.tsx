/** Chooses the mode of a session. */
import { MODES } from '../text/words.ts';

interface ModeSelectProps {
  /** One of a team's own is offered as well. */
  readonly mode: string;
  readonly onChange: (mode: string) => void;
}

export function ModeSelect({ mode, onChange }: ModeSelectProps) {
  const isOwn = MODES.every(([value]) => value !== mode);
  return (
    <label>
      Mode
      <select value={mode} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {isOwn ? <option value={mode}>{mode}</option> : null}
        {MODES.map(([value, words]) => (
          <option key={value} value={value}>
            {value}: {words}
          </option>
        ))}
      </select>
    </label>
  );
}
