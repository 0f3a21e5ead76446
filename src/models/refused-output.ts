/** The form of an answer, if its server does not take it: at all, or beside tools. */
import type { Dialect, OutputForm, Refused, Rule } from './dialect.ts';
import type { ModelRequest } from './model.ts';
import { takenTools } from './refused-tools.ts';

/** Words of a refusal that speak of the form. */
export const OF_OUTPUT = /response[_ ]?(format|mime)|json[_ ](mode|schema)|structured output/i;
/** Of the form beside tools: Groq and Gemini take either of the two. */
const OF_TOOLS = /\b(tools?|tool_?(calls?|choice|use)|function|function_?call\w*)\b/i;

const FORMS: readonly OutputForm[] = ['schema', 'json', 'prompt'];

/** How this request asks for JSON. */
export function outputForm(request: ModelRequest, dialect: Dialect): OutputForm {
  return hasTools(request, dialect) ? (dialect.outputWithTools ?? dialect.output) : dialect.output;
}

function hasTools(request: ModelRequest, dialect: Dialect): boolean {
  return !dialect.without.has('tools') && takenTools(request, dialect).length > 0;
}

/** Whether the form is refused, and the request can do with a simpler one. */
export function isOfForm(dialect: Dialect, { request, words }: Refused & { words: string }): boolean {
  return request.output !== undefined && outputForm(request, dialect) !== 'prompt' && OF_OUTPUT.test(words);
}

/** What a server says about a schema that it does not take has no common wording, so any refusal counts. */
export const toSimplerOutput: Rule = (dialect, { request, words }) => {
  const form = outputForm(request, dialect);
  if (request.output === undefined || form === 'prompt') return undefined;
  const next = form === 'schema' ? 'json' : 'prompt';
  const isWithTools = hasTools(request, dialect);
  if (isWithTools && OF_TOOLS.test(words))
    return { dialect: { ...dialect, outputWithTools: next }, gaveUp: `output by ${form} with tools` };
  const output = simpler(dialect.output, next);
  const { outputWithTools: beside = output } = dialect;
  return { dialect: { ...dialect, output, outputWithTools: simpler(beside, output) }, gaveUp: `output by ${form}` };
};

function simpler(a: OutputForm, b: OutputForm): OutputForm {
  return FORMS.indexOf(a) > FORMS.indexOf(b) ? a : b;
}
