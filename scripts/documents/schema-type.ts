/** The TypeScript type of a zod schema, as its source says it: `z.array(Step).optional()` is `Step[] | undefined`. */
import type { CallExpression, Expression, ObjectExpression } from 'oxc-parser';
import type { SourceFile } from './source-file.ts';

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  int: 'number',
  boolean: 'boolean',
  unknown: 'unknown',
  json: 'Json',
};

interface SchemaType {
  readonly text: string;
  readonly isOptional: boolean;
}

/** @throws Error for a form that this reader does not know, with its source */
export function schemaType(file: SourceFile, node: Expression, indent = ''): SchemaType {
  if (node.type === 'Identifier') {
    const constant = file.constant(node.name);
    const hasType = constant === undefined || file.exported(node.name).length > 1;
    return hasType ? { text: node.name, isOptional: false } : schemaType(file, constant, indent);
  }
  if (node.type === 'MemberExpression') return { text: file.slice(node), isOptional: false };
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return unknownForm(file, node);
  const { object, property } = node.callee;
  const method = property.type === 'Identifier' ? property.name : '';
  if (object.type === 'Identifier' && object.name === 'z') return builtType(file, node, method, indent);
  return refinedType(file, node, schemaType(file, object, indent), method);
}

/** `z.method(…)` */
function builtType(file: SourceFile, node: CallExpression, method: string, indent: string): SchemaType {
  const of = (index: number): string => {
    const argument = node.arguments[index];
    return argument === undefined || argument.type === 'SpreadElement'
      ? unknownForm(file, node)
      : schemaType(file, argument, indent).text;
  };
  const text = (): string => {
    const primitive = PRIMITIVES[method];
    if (primitive !== undefined) return primitive;
    const [first] = node.arguments;
    if (method === 'array') return arrayOf(of(0));
    if (method === 'record') return `Record<${of(0)}, ${of(1)}>`;
    if (method === 'partialRecord') return `Partial<Record<${of(0)}, ${of(1)}>>`;
    if (method === 'literal' && first !== undefined) return file.slice(first);
    if (method === 'enum' && first !== undefined && first.type !== 'SpreadElement') return membersOf(file, first);
    const members = method === 'discriminatedUnion' ? node.arguments[1] : first;
    if (members?.type === 'ArrayExpression' && method.endsWith('nion')) {
      return members.elements.map((element) => schemaType(file, element as Expression, indent).text).join(' | ');
    }
    if (first?.type === 'ObjectExpression' && /^(?:strictO|looseO|o)bject$/.test(method)) {
      return objectType(file, first, indent);
    }
    if (method === 'custom') return node.typeArguments ? file.slice(node.typeArguments).slice(1, -1) : 'unknown';
    return unknownForm(file, node);
  };
  return { text: text(), isOptional: false };
}

/** `schema.method(…)`: most methods narrow the values and not the type. */
function refinedType(file: SourceFile, node: CallExpression, base: SchemaType, method: string): SchemaType {
  const [first] = node.arguments;
  if (method === 'optional' || method === 'default' || method === 'prefault') return { ...base, isOptional: true };
  if (method === 'nullable') return { ...base, text: `${base.text} | null` };
  if (method === 'array') return { ...base, text: arrayOf(base.text) };
  if ((method === 'pick' || method === 'omit') && first?.type === 'ObjectExpression') {
    const names = first.properties.map(
      (property) => `'${property.type === 'Property' ? file.slice(property.key) : ''}'`,
    );
    return { ...base, text: `${method === 'pick' ? 'Pick' : 'Omit'}<${base.text}, ${names.join(' | ')}>` };
  }
  if (method === 'partial') return { ...base, text: `Partial<${base.text}>` };
  return base;
}

function objectType(file: SourceFile, node: ObjectExpression, indent: string): string {
  const inner = `${indent}  `;
  const lines = node.properties.flatMap((property) => {
    if (property.type !== 'Property') return [`${inner}${file.slice(property)}`];
    const { text, isOptional } = schemaType(file, property.value, inner);
    const doc = file.docBefore(property);
    return [
      ...(doc === '' ? [] : [`${inner}/** ${doc.replaceAll('\n', ' ')} */`]),
      `${inner}${file.slice(property.key)}${isOptional ? '?' : ''}: ${text};`,
    ];
  });
  return `{\n${lines.join('\n')}\n${indent}}`;
}

/** The members of an enumeration, which may be a constant. */
function membersOf(file: SourceFile, node: Expression): string {
  if (node.type === 'TSAsExpression') return membersOf(file, node.expression);
  if (node.type === 'ArrayExpression') {
    const parts = node.elements.map((element) => {
      if (element === null) return 'never';
      if (element.type !== 'SpreadElement') return file.slice(element);
      return element.argument.type === 'MemberExpression' && file.slice(element.argument).endsWith('.options')
        ? file.slice(element.argument.object)
        : membersOf(file, element.argument);
    });
    return parts.join(' | ');
  }
  const constant = node.type === 'Identifier' ? file.constant(node.name) : undefined;
  return constant === undefined ? `(typeof ${file.slice(node)})[number]` : membersOf(file, constant);
}

function arrayOf(element: string): string {
  return / [|&] /.test(element) && !element.startsWith('{') && !element.startsWith('Pick<')
    ? `(${element})[]`
    : `${element}[]`;
}

function unknownForm(file: SourceFile, node: Expression): never {
  throw new Error(`${file.path}: no type is known for ${file.slice(node)}`);
}
