import { createRequire } from 'node:module';
import type { all, create } from 'mathjs';
import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import { runSeparately } from '../separate-process.ts';
import { refusal, shown } from '../refusal.ts';

const MAX_RESULT_LENGTH = 10_000;
const TIME_LIMIT_MS = 5_000;
const MEMORY_LIMIT_MIB = 256;

/**
 * Functions that change the evaluator or parse further text.
 * https://mathjs.org/docs/expressions/security.html
 */
const DISABLED = [
  'import',
  'createUnit',
  'reviver',
  'replacer',
  'evaluate',
  'parse',
  'compile',
  'parser',
  'simplify',
  'simplifyCore',
  'simplifyConstant',
  'derivative',
  'rationalize',
  'resolve',
  'symbolicEqual',
  'leafCount',
  'help',
  'chain',
];

const CalculateInput = z.strictObject({
  expression: z
    .string()
    .min(1)
    .max(10_000)
    .describe('Such as "12.7 * 3 + 5", "mean(1, 2, 4)", "sqrt(2)^3", "5 inch to cm".'),
});

/** Evaluates an expression in a process of its own, because an expression may take any time and memory. */
export const calculate = defineTool({
  name: 'calculate',
  description:
    'Evaluates a mathematical expression: arithmetic, functions, statistics of listed numbers, matrices, units. Never calculate in your head.',
  effects: 'none',
  category: 'read',
  timeoutMs: 15_000,
  limits: '5 s and 256 MiB; results of 10,000 characters',
  parameters: CalculateInput,
  async run({ expression }, { signal }) {
    const scope = { tool: 'calculate' };
    const outcome = await runSeparately(
      evaluate,
      { expression, disabled: DISABLED, library: libraryPath() },
      {
        timeoutMs: TIME_LIMIT_MS,
        memoryMiB: MEMORY_LIMIT_MIB,
        signal,
      },
    );
    if ('stopped' in outcome) {
      const limit = outcome.stopped === 'time' ? `${TIME_LIMIT_MS / 1000} s` : `${MEMORY_LIMIT_MIB} MiB of memory`;
      throw refusal(scope, `${shown(expression)} needs more than ${limit}. Use smaller numbers or fewer steps.`);
    }
    if ('error' in outcome)
      throw refusal(scope, `${shown(expression)} cannot be evaluated: ${outcome.error}. Correct the expression.`);
    if (outcome.value.length > MAX_RESULT_LENGTH) {
      throw refusal(
        scope,
        `the result of ${shown(expression)} has ${outcome.value.length} characters, and the limit is ${MAX_RESULT_LENGTH}. Ask for a part or a summary of it.`,
      );
    }
    return { text: outcome.value };
  },
});

/** The single-file build of mathjs loads ten times as fast as its thousand modules. */
function libraryPath(): string {
  return createRequire(import.meta.url).resolve('mathjs/lib/browser/math.js');
}

interface EvaluateInput {
  readonly expression: string;
  readonly disabled: readonly string[];
  readonly library: string;
}

/** Runs in the other process, so it uses only types of this module. */
function evaluate({ expression, disabled, library }: EvaluateInput, require: NodeJS.Require): string {
  // `require` is untyped; the file is a build of mathjs.
  const mathjs = require(library) as { create: typeof create; all: NonNullable<typeof all> };
  const refuse = (name: string) => (): never => {
    throw new Error(`Function ${name} is disabled`);
  };
  const math = mathjs.create(mathjs.all);
  const evaluateText = math.evaluate.bind(math);
  const configure = math.config.bind(math);
  math.import(Object.fromEntries(disabled.map((name) => [name, refuse(name)])), { override: true });
  const evaluateWith = (number: 'number' | 'BigNumber'): string => {
    configure({ number, precision: 64 });
    // 14 digits hide the noise of roots and divisions. Whole numbers keep all their digits.
    const show = (result: unknown): string =>
      math.format(result, (value: unknown) => {
        if (typeof value === 'number')
          return Number.isSafeInteger(value) ? String(value) : String(Number(value.toPrecision(14)));
        if (!math.isBigNumber(value)) return String(value);
        // A decimal that ends within the precision is exact.
        const isExact = value.precision() < 60 && value.abs().lt('1e60');
        return isExact ? value.toFixed() : String(value.toSignificantDigits(14));
      });
    // An import of this name would take the configuration away from functions that are made later.
    const result: unknown = evaluateText(expression, new Map([['config', refuse('config')]]));
    return math.isResultSet(result) ? result.entries.map(show).join('\n') : show(result);
  };
  try {
    return evaluateWith('BigNumber');
  } catch {
    // Some functions, such as gamma, know doubles only.
    return evaluateWith('number');
  }
}
