/**
 * Instructions of agents: Handlebars templates over the session's context, such as `{{initial_task}}`. Helpers are if,
 * unless, each, with, lookup, and `json` for values that are not text. There are no partials and no decorators.
 * Sessions can bring their own instructions, so a template cannot reach the program, and its output is limited.
 */
import Handlebars from 'handlebars';
import type { Json } from '../../contracts/json.ts';
import { beginningOf } from '../../contracts/text-cut.ts';
import { nearest } from '../../tools/nearest.ts';

export interface Template {
  /** Sorted first parts of the paths it uses: the context keys that it may need. */
  readonly variables: readonly string[];
  /**
   * Fills in the context. A missing key gives nothing.
   * @throws TemplateError if the text would exceed {@link MAX_RENDERED_TEXT}, or a value does not fit its helper
   */
  render(context: Readonly<Record<string, Json>>): string;
}

/** A problem of a template. Callers turn it into a CopilotError that names the agent or the file. `line` counts from 1. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly line: number;

  constructor(problem: string, line: number) {
    super(problem);
    this.line = line;
  }
}

/** Longest rendered text. Each round of a loop counts, so that nested loops are limited too. */
export const MAX_RENDERED_TEXT = 400_000;

/** Maximum number of `{{…}}`, and of characters in each apart from comments. Handlebars takes seconds for thousands of nested ones. */
export const MAX_EXPRESSIONS = 500;
const MAX_EXPRESSION_TEXT = 1_000;
const LONG_EXPRESSION = new RegExp(`\\{\\{(?!!)[^}]{${MAX_EXPRESSION_TEXT}}`);

/** How many arguments each helper takes. */
const HELPERS: ReadonlyMap<string, number> = new Map([
  ['if', 1],
  ['unless', 1],
  ['each', 1],
  ['with', 1],
  ['lookup', 2],
  ['json', 1],
]);

/** @throws TemplateError with the line in `source` */
export function compileTemplate(source: string): Template {
  try {
    checkSize(source);
    const variables = findVariables(Handlebars.parse(source));
    const compiled = environment.compile<unknown>(source, { noEscape: true });
    const render: Template['render'] = (context) => {
      try {
        const text = compiled(context, {
          data: { budget: { left: MAX_RENDERED_TEXT } },
          allowProtoPropertiesByDefault: false,
          allowProtoMethodsByDefault: false,
        });
        if (text.length > MAX_RENDERED_TEXT) throw tooLong();
        return text;
      } catch (error) {
        throw toTemplateError(error);
      }
    };
    // Handlebars compiles at the first use. Doing it here finds errors early and keeps the agent's first turn fast.
    render({});
    return { variables, render };
  } catch (error) {
    throw toTemplateError(error);
  }
}

const environment = createEnvironment();

function createEnvironment(): typeof Handlebars {
  const created = Handlebars.create();
  const each = created.helpers['each'];
  created.unregisterHelper('log');
  created.registerHelper('json', (value: unknown) => JSON.stringify(value) ?? '');
  created.registerHelper('each', function (this: unknown, list: unknown, options: Handlebars.HelperOptions) {
    const budget = (options.data as { budget: { left: number } }).budget;
    const fn: Handlebars.TemplateDelegate = (item, runtime) => {
      const text = options.fn(item, runtime);
      budget.left -= text.length + 1;
      if (budget.left < 0) throw tooLong();
      return text;
    };
    return each?.call(this, list, { ...options, fn }) as unknown;
  });
  return created;
}

function tooLong(): TemplateError {
  return new TemplateError(`the text becomes longer than ${MAX_RENDERED_TEXT} characters`, 1);
}

function checkSize(source: string): void {
  const count = source.split('{{').length - 1;
  if (count > MAX_EXPRESSIONS)
    throw new TemplateError(`it has ${count} expressions in braces, and the limit is ${MAX_EXPRESSIONS}`, 1);
  if (LONG_EXPRESSION.test(source))
    throw new TemplateError(`an expression in braces is longer than ${MAX_EXPRESSION_TEXT} characters`, 1);
}

function findVariables(program: hbs.AST.Program): string[] {
  const found = new Set<string>();
  visitProgram(program, { found, blockParams: new Set() });
  return [...found].sort();
}

interface Scope {
  readonly found: Set<string>;
  /** Names that an enclosing block binds with `as |name|`. */
  readonly blockParams: ReadonlySet<string>;
}

function visitProgram(program: hbs.AST.Program | undefined, outer: Scope): void {
  if (!program) return;
  const scope = { ...outer, blockParams: new Set([...outer.blockParams, ...(program.blockParams ?? [])]) };
  for (const statement of program.body) {
    switch (statement.type) {
      case 'ContentStatement':
      case 'CommentStatement':
        break;
      case 'MustacheStatement':
        visitCall(statement as hbs.AST.MustacheStatement, scope);
        break;
      case 'BlockStatement': {
        const block = statement as hbs.AST.BlockStatement;
        visitCall(block, scope);
        visitProgram(block.program, scope);
        visitProgram(block.inverse, scope);
        break;
      }
      default:
        throw new TemplateError('partials and decorators are not available here', statement.loc.start.line);
    }
  }
}

type Call = Pick<hbs.AST.SubExpression, 'params' | 'loc'> & {
  readonly path: hbs.AST.Expression;
  // Absent if a call has no named arguments, despite the types of Handlebars.
  readonly hash?: hbs.AST.Hash;
};

/** Visits `{{name}}`, `{{#name}}` or `(name)`: a helper if it is one or has arguments, otherwise a variable. */
function visitCall({ path, params, hash, loc }: Call, scope: Scope): void {
  const name = (path as hbs.AST.PathExpression).original;
  const named = hash?.pairs ?? [];
  const wanted = HELPERS.get(name);
  if (wanted !== undefined && params.length !== wanted) {
    throw new TemplateError(
      `${name} takes ${wanted} argument${wanted === 1 ? '' : 's'}, not ${params.length}`,
      loc.start.line,
    );
  }
  if (wanted === undefined && params.length + named.length > 0) {
    const near = nearest(name, HELPERS.keys());
    const hint = near === undefined ? `there are ${[...HELPERS.keys()].join(', ')}` : `did you mean "${near}"?`;
    throw new TemplateError(`there is no helper "${name}"; ${hint}`, loc.start.line);
  }
  if (wanted === undefined) visitExpression(path, scope);
  for (const param of params) visitExpression(param, scope);
  for (const pair of named) visitExpression(pair.value, scope);
}

function visitExpression(expression: hbs.AST.Expression, scope: Scope): void {
  if (expression.type === 'SubExpression') visitCall(expression as hbs.AST.SubExpression, scope);
  if (expression.type !== 'PathExpression') return;
  const { data, parts } = expression as hbs.AST.PathExpression;
  // `@root.key` is the key itself; `@index` and the like come from the loop.
  const key = data ? (parts[0] === 'root' ? parts[1] : undefined) : parts[0];
  if (key !== undefined && !(scope.blockParams.has(key) && !data)) scope.found.add(key);
}

/** Handlebars gives the line in a property, in its message, or not at all. */
function toTemplateError(error: unknown): TemplateError {
  if (error instanceof TemplateError) return error;
  if (error instanceof RangeError) return new TemplateError('it is nested too deeply or too long', 1);
  const message = error instanceof Error ? error.message : String(error);
  const line =
    (error as { lineNumber?: number }).lineNumber ?? Number(/^Parse error on line (\d+)/.exec(message)?.[1] ?? 1);
  return new TemplateError(problemOf(message), line);
}

/** What is wrong, without the names that Handlebars has for the parts of its grammar. */
function problemOf(message: string): string {
  const [, opened, closed] = /^(.+) doesn't match (.+) - \d+:\d+$/.exec(message) ?? [];
  if (opened !== undefined) return `{{#${opened}}} is closed by {{/${closed}}}`;
  // A parse error shows the place in three lines: the text, an arrow below the place, what could stand there.
  const [, text = '', arrow = '', expected = ''] = message.split('\n');
  if (!expected.startsWith('Expecting ')) return message.replace(/ - \d+:\d+$/, '');
  if (expected.endsWith("got 'EOF'") && expected.includes("'OPEN_ENDBLOCK'"))
    return 'a block such as {{#if …}} or {{#each …}} is not closed; add {{/if}} or {{/each}}';
  if (expected.endsWith("got 'OPEN_ENDBLOCK'")) return `nothing is open that this closes: ${placeIn(text, arrow)}`;
  if (expected.endsWith("got 'INVERSE'")) return `there is no {{#if …}} that this belongs to: ${placeIn(text, arrow)}`;
  return `this is no expression between "{{" and "}}": ${placeIn(text, arrow)}`;
}

/** The text around the arrow, which Handlebars has cut already. */
function placeIn(text: string, arrow: string): string {
  const at = arrow.length - 1;
  const from = Math.max(text.lastIndexOf('{{', at), 0);
  return beginningOf(text.slice(from), 60);
}
