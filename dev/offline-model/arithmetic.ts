/** Finds the calculation in a sentence and writes it the way the tool `calculate` reads it. */

const SPOKEN: readonly (readonly [RegExp, string])[] = [
  [/(\d)[,_](?=\d{3}(?!\d))/g, '$1'],
  [/\bsquare root of\s+(\d+(?:\.\d+)?)/gi, 'sqrt($1)'],
  [/\b(?:the )?(sine|cosine|tangent) of\s+(\d+(?:\.\d+)?)/gi, '$1($2)'],
  [/(\d+(?:\.\d+)?)\s*(?:%|percent|per cent)\s+of\s+(\d+(?:\.\d+)?)/gi, '($1 / 100 * $2)'],
  [/\bto the power of\b|\*\*/gi, ' ^ '],
  [/\bsquared\b/gi, ' ^ 2'],
  [/\bcubed\b/gi, ' ^ 3'],
  [/\b(?:divided by|over)\b|÷/gi, ' / '],
  [/\b(?:multiplied by|times)\b|×|·|(?<=\d\s*)\bx\b(?=\s*\d)/gi, ' * '],
  [/\bplus\b/gi, ' + '],
  [/\bminus\b|−|–/gi, ' - '],
  [/\bmod(?:ulo)?\b/gi, ' mod '],
];

const FUNCTION =
  'sqrt|cbrt|abs|round|floor|ceil|exp|log10|log2|log|ln|sin|cos|tan|asin|acos|atan|mean|median|std|variance|sum|min|max|gcd|lcm|factorial|pow|mod';
/** Numbers, operators, brackets, constants and functions in a row. */
const EXPRESSION = new RegExp(`(?:(?:${FUNCTION})\\s*\\(|[\\d.,+*/^%()\\s!-]|\\b(?:pi|e|mod)\\b)+`, 'gi');
const OPERATION = new RegExp(
  `\\d\\s*\\)*\\s*(?:[-+*/^%]|mod\\b)\\s*\\(*\\s*(?:[-\\d.]|pi\\b|e\\b|(?:${FUNCTION})\\()|\\b(?:${FUNCTION})\\s*\\(|\\d\\s*!`,
  'i',
);
const UNIT_CONVERSION =
  /(-?\d+(?:\.\d+)?)\s*([a-z°]+(?:\/[a-z]+|\^\d)?)\s+(?:to|in|into)\s+([a-z°]+(?:\/[a-z]+|\^\d)?)\s*\??\s*$/i;
const UNITS = new Set(
  (
    'm km cm mm mile miles inch inches ft foot feet yard yards kg g mg lb lbs pound pounds ounce ounces oz l ml liter litre liters litres gallon gallons ' +
    's sec second seconds minute minutes hour hours day days week weeks degc degf celsius fahrenheit kelvin k m/s km/h mph mi/h byte bytes kb mb gb kib mib gib bit bits'
  ).split(' '),
);

/** The expression, or undefined where the text has no calculation. Dates, versions and lists of numbers are none. */
export function arithmetic(text: string): string | undefined {
  const plain = text
    .slice(0, 2_000)
    .replace(/\b\d{4}-\d{1,2}(?:-\d{1,2})?\b|\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b|\b\d+\.\d+\.\d+\S*/g, ' ; ');
  const conversion = unitConversion(plain);
  if (conversion) return conversion;
  const spoken = SPOKEN.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), plain);
  const candidates = (spoken.match(EXPRESSION) ?? [])
    .map((candidate) =>
      candidate
        .replace(/\s+/g, ' ')
        .trim()
        .replace(/^[,./%*^!]+|[,.+*/^=-]+$/g, '')
        .trim(),
    )
    .filter((candidate) => OPERATION.test(candidate) && isBalanced(candidate));
  return candidates.toSorted((a, b) => b.length - a.length)[0] ?? listed(plain);
}

function unitConversion(text: string): string | undefined {
  const [, amount, from = '', to = ''] = UNIT_CONVERSION.exec(text) ?? [];
  if (amount === undefined || !UNITS.has(from.toLowerCase()) || !UNITS.has(to.toLowerCase())) return undefined;
  const unit = (name: string): string =>
    ({ mph: 'mi/h', '°c': 'degC', '°f': 'degF', c: 'degC', f: 'degF' })[name.toLowerCase()] ?? name;
  return `${amount} ${unit(from)} to ${unit(to)}`;
}

/** "the average of 3, 5 and 10", "add 2 and 3". */
function listed(text: string): string | undefined {
  const [, word = '', list = ''] =
    /\b(sum|total|average|mean|median|product|add|multiply|maximum|minimum|largest|smallest)\s+(?:of\s+)?(?:the\s+)?(?:numbers?\s+)?((?:-?\d+(?:\.\d+)?(?:\s*,\s*(?:and\s+)?|\s+(?:and|by)\s+)?){2,})/i.exec(
      text,
    ) ?? [];
  const numbers = list.match(/-?\d+(?:\.\d+)?/g) ?? [];
  if (numbers.length < 2) return undefined;
  switch (word.toLowerCase()) {
    case 'product':
    case 'multiply':
      return numbers.join(' * ');
    case 'average':
    case 'mean':
      return `mean(${numbers.join(', ')})`;
    case 'median':
      return `median(${numbers.join(', ')})`;
    case 'maximum':
    case 'largest':
      return `max(${numbers.join(', ')})`;
    case 'minimum':
    case 'smallest':
      return `min(${numbers.join(', ')})`;
    default:
      return numbers.join(' + ');
  }
}

function isBalanced(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '(') depth++;
    if (character === ')' && --depth < 0) return false;
  }
  return depth === 0;
}
