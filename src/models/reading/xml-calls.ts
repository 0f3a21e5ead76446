/** Calls as XML: `<function=name><parameter=key>value</parameter></function>`, `<invoke name="name">`, and their likes. */
import { parseJson } from '../../contracts/json.ts';
import type { ToolSchema } from '../model.ts';
import { callsAt, isRecord, type SyntaxOptions, typed } from './call-syntax.ts';
import { offeredName, type RawCall } from './calls.ts';

/** With the prefixes of namespaces, and Llama's forms without a bracket: `<function=name{"a":1}</function>`. */
const BLOCK =
  /<(?:\w{1,20}:|｜DSML｜)?(?:function\s?[=/(]|(?:invoke|tool|tool_call)\s+name=)\s?"?([\w.-]{1,100})"?\)?(?:>|(?=\s?\{))([\s\S]*?)(?:(<\/(?:\w{1,20}:|｜DSML｜)?(?:function|invoke|tool|tool_call)>|<function\/?>)|$)/g;
const PARAMETER =
  /<(?:\w{1,20}:|｜DSML｜)?parameter(?:=|\s+name=)"?([\w.-]{1,100})"?[^>]{0,100}>\n?([\s\S]*?)\n?(?:(<\/(?:\w{1,20}:|｜DSML｜)?parameter>)|(?=<parameter)|$)/g;
const WRAPPERS = /<\/?(?:\w{1,20}:|｜DSML｜)?(?:tool_call|function_calls|tool_calls)>/g;

/** `<tool_call><name>get</name><arguments>…</arguments></tool_call>` */
const NAMED_BLOCK =
  /<tool_call>\s{0,9}<(?:tool_)?name>\s{0,9}([\w.-]{1,100})\s{0,9}<\/(?:tool_)?name>\s{0,9}<(?:arguments|parameters|input)>([\s\S]*?)<\/(?:arguments|parameters|input)>\s{0,9}<\/tool_call>/g;

/** `<get><key>value</key></get>`, as some editors have taught models to write calls. */
const TAGGED_BLOCK = /<([\w.-]{1,100})>(\s{0,9}(?:<(\w{1,60})>(?:(?!<\3>)[\s\S])*?<\/\3>\s{0,9})+)<\/\1>/g;
const TAGGED_VALUE = /<(\w{1,60})>([\s\S]*?)<\/\1>/g;

function asFunctions(text: string, { tools }: SyntaxOptions): string {
  if (!tools.some(({ name }) => text.includes(`<${name}>`))) return text;
  return text.replace(TAGGED_BLOCK, (whole, name: string, inner: string) => {
    const properties = tools.find((tool) => tool.name === name)?.parameters['properties'];
    const keys = [...inner.matchAll(TAGGED_VALUE)].map(([, key = '']) => key);
    if (!isRecord(properties) || !keys.every((key) => Object.hasOwn(properties, key))) return whole;
    return `<function=${name}>${inner.replace(TAGGED_VALUE, '<parameter=$1>$2</parameter>')}</function>`;
  });
}

/** @param isAct whether what stands at a place is meant as a call, and not shown as an example */
export function findXmlCalls(
  text: string,
  options: SyntaxOptions,
  isAct: (index: number, end: number) => boolean,
): { calls: readonly RawCall[]; text: string } | undefined {
  const calls: RawCall[] = [];
  const plain = text.replace(NAMED_BLOCK, '<function=$1>$2</function>');
  const rest = asFunctions(plain, options).replace(
    BLOCK,
    (whole, name: string, inner: string, close: string | undefined, index: number) => {
      const tool = options.tools.find((offered) => offered.name === offeredName(name, options.tools));
      const given = tool && isAct(index, index + whole.length) ? xmlArguments(inner, tool, options) : undefined;
      if (!tool || given === undefined || (close === undefined && options.isCut)) return whole;
      calls.push({ id: '', name: tool.name, arguments: given });
      return '';
    },
  );
  return calls.length === 0 ? undefined : { calls, text: rest.replace(WRAPPERS, '').trim() };
}

/** @returns undefined for half a call */
function xmlArguments(inner: string, tool: ToolSchema, options: SyntaxOptions): string | undefined {
  const parameters = [...inner.matchAll(PARAMETER)];
  const last = parameters.at(-1);
  if (last) {
    if (last[3] === undefined && options.isCut) return undefined;
    return JSON.stringify(
      Object.fromEntries(parameters.map(([, key = '', value = '']) => [key, typed(value, key, tool.parameters)])),
    );
  }
  if (inner.trim() === '') return '{}';
  // Some write JSON between the tags instead.
  const json = inner.trim();
  const tagged = [...json.matchAll(TAGGED_VALUE)];
  if (json.startsWith('<') && tagged.length > 0)
    return JSON.stringify(
      Object.fromEntries(tagged.map(([, key = '', value = '']) => [key, typed(value, key, tool.parameters)])),
    );
  if (isRecord(parseJson(json))) return json;
  return callsAt(`${tool.name} ${json}`, 0, options)?.calls[0]?.arguments;
}
