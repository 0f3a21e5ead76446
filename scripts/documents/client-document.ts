/** docs/client.md, from the doc comments of what `src/client.ts` exports. */
import { join } from 'node:path';
import type { Class, ClassElement, Declaration } from 'oxc-parser';
import { type ErrorDetails, ERRORS } from '../../src/contracts/errors.ts';
import { packageDir } from '../../src/package-info.ts';
import { schemaType } from './schema-type.ts';
import { SourceFile } from './source-file.ts';

const INTRODUCTION = `# Client library

<!-- Made by \`npm run documents\` from the doc comments in src/. Do not edit. -->

What \`import { … } from 'durable-copilot'\` gives. [examples/](../examples/) has programs that use it, and the tests run them.
Every error is a \`CopilotError\` with a \`type\`, a message that says what to do, and \`details\`.

## Where it runs

A client reaches the Temporal server and nothing else: files, deletion and the archive go
[through the workers](operations.md#clients-on-other-hosts).

\`npm install durable-copilot\` brings client, command line and workers: 440 MB on Linux, most of it Temporal's worker and
DuckDB. A program that only talks to sessions does without them:

\`\`\`sh
npm install --omit=optional durable-copilot
\`\`\`

That is 110 MB. \`@temporalio/worker\`, \`@temporalio/testing\`, \`@duckdb/node-api\`, \`openai\`, \`mathjs\` and \`vega\` with its
companions stay away, and a command that needs them says so. The import takes some 250 ms, of which \`@temporalio/client\` takes
half; \`npm run bench -- startup\` measures it. Its types need no \`skipLibCheck\`. The option holds for the whole project:
packages with a part for each platform, such as TypeScript 7, then lack it, so install them elsewhere.
`;

export function clientDocument(): string {
  const entry = new SourceFile(join(packageDir, 'src/client.ts'));
  const files = new Map<string, SourceFile>();
  const sections = entry.reexports().map(({ name, path }) => {
    const file = files.get(path) ?? new SourceFile(path);
    files.set(path, file);
    return { name, ...describeExport(file, name) };
  });
  const classes = sections.filter(({ isClass }) => isClass);
  const others = sections
    .filter(({ isClass }) => !isClass)
    .toSorted((left, right) => (left.name < right.name ? -1 : 1));
  const text = ({ name, body }: (typeof sections)[number], level: string): string => `${level} ${name}\n\n${body}`;
  return [
    INTRODUCTION,
    ...classes.map((section) => text(section, '##')),
    `## Errors\n\n${errorTable()}`,
    '## Types and functions',
    ...others.map((section) => text(section, '###')),
  ]
    .map((part) => part.trim())
    .join('\n\n')
    .concat('\n');
}

function describeExport(file: SourceFile, name: string): { readonly body: string; readonly isClass: boolean } {
  const found = file.exported(name);
  const [first] = found;
  if (first === undefined) throw new Error(`${file.path} does not export ${name}`);
  const doc = found.map((one) => one.doc).find((one) => one !== '') ?? '';
  const node = found.find((one) => one.node.type !== 'VariableDeclaration')?.node ?? first.node;
  const isClass = node.type === 'ClassDeclaration';
  const parts = isClass
    ? [paragraphs(doc), baseOf(file, node), membersOf(file, node)]
    : [paragraphs(doc), codeBlock(declarationText(file, name, node))];
  return { body: parts.filter((part) => part !== '').join('\n\n'), isClass };
}

function baseOf(file: SourceFile, { superClass }: Class): string {
  const name = superClass ? file.slice(superClass) : 'Error';
  return name === 'Error' ? '' : `It has everything of [${name}](#${name.toLowerCase()}).`;
}

function declarationText(file: SourceFile, name: string, node: Declaration): string {
  if (node.type === 'TSTypeAliasDeclaration' && /^z\.(?:infer|input|output)</.test(file.slice(node.typeAnnotation))) {
    const schema = file.constant(name);
    if (schema !== undefined) return withoutLinks(`type ${name} = ${schemaType(file, schema).text}`);
  }
  if (node.type === 'FunctionDeclaration' && node.body) return file.text.slice(node.start, node.body.start).trim();
  if (node.type === 'VariableDeclaration') {
    const [declarator] = node.declarations;
    const typed = declarator?.id.type === 'Identifier' ? declarator.id.typeAnnotation : undefined;
    return `const ${name}${typed ? file.slice(typed) : ''}`;
  }
  return withoutLinks(file.slice(node).replaceAll(' | undefined;', ';'));
}

function membersOf(file: SourceFile, node: Class): string {
  return node.body.body
    .filter(isPublic)
    .map((member) => `${codeBlock(signatureOf(file, member))}\n\n${paragraphs(file.docBefore(member))}`.trim())
    .join('\n\n');
}

function isPublic(member: ClassElement): boolean {
  if (member.type !== 'MethodDefinition' && member.type !== 'PropertyDefinition') return false;
  const { key, accessibility } = member;
  if (key.type === 'PrivateIdentifier' || accessibility === 'private' || accessibility === 'protected') return false;
  return !(member.type === 'MethodDefinition' && member.kind === 'constructor');
}

function signatureOf(file: SourceFile, member: ClassElement): string {
  const end = member.type === 'MethodDefinition' ? (member.value.body?.start ?? member.end) : member.end;
  return file.text
    .slice(member.start, end)
    .replace(/^(?:async |override |get )+/, (words) => (words.includes('get ') ? 'get ' : ''))
    .replace(/^static async /, 'static ')
    .replaceAll(/\n\s*/g, ' ')
    .replaceAll(/([(<]) /g, '$1')
    .replaceAll(/,? ([)>])(?!=)/g, '$1')
    .replaceAll(', }', ' }')
    .trim();
}

function codeBlock(code: string): string {
  return `\`\`\`ts\n${code}\n\`\`\``;
}

/** A doc comment as Markdown: `@throws` and `@param` become paragraphs. */
function paragraphs(doc: string): string {
  return withoutLinks(doc)
    .replaceAll(/^@throws (?:CopilotError )?/gm, '\nThrows: ')
    .replaceAll(/^@returns /gm, '\nGives ')
    .replaceAll(/^@param (\w+) /gm, '\n`$1`: ')
    .trim();
}

function withoutLinks(text: string): string {
  return text.replaceAll(/\{@link (\w+)\}/g, '`$1`');
}

/** Every type of error with its message, in which `<…>` stands for the values that it names. */
function errorTable(): string {
  const details: ErrorDetails = new Proxy({}, { get: (_, name) => `<${String(name)}>` });
  const rows = Object.entries(ERRORS).map(([type, { retryable, exitCode, message }]) => {
    const words = message(details)
      .replaceAll(/<([^>]+)>/g, '&lt;$1&gt;')
      .replaceAll('|', '\\|');
    return `| \`${type}\` | ${retryable ? 'yes' : 'no'} | ${exitCode} | ${words} |`;
  });
  return ['| type | retry helps | exit code of the CLI | message |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
