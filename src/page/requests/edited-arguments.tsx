/** The arguments of a call as a person changes them. */
export interface EditedArgumentsProps {
  readonly text: string;
  readonly isValid: boolean;
  readonly onText: (text: string) => void;
}

export function EditedArguments({ text, isValid, onText }: EditedArgumentsProps) {
  return (
    <label class="edited">
      Arguments instead of the model's, as JSON
      <textarea
        dir="ltr"
        spellcheck={false}
        rows={Math.min(16, text.split('\n').length + 1)}
        aria-invalid={!isValid}
        value={text}
        onInput={(event) => onText(event.currentTarget.value)}
      />
      {isValid ? null : <span class="invalid">This is not one JSON object.</span>}
    </label>
  );
}
