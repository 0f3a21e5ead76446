/** A TypeScript source file with its exported declarations and doc comments. TypeScript 7 itself has no API for this. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Comment, type Declaration, type Expression, parseSync, type Span, type Statement } from 'oxc-parser';

export class SourceFile {
  readonly path: string;
  readonly text: string;
  readonly statements: readonly Statement[];
  readonly #comments: readonly Comment[];

  /** @throws Error when the file does not parse */
  constructor(path: string) {
    this.path = path;
    this.text = readFileSync(path, 'utf8');
    const { program, comments, errors } = parseSync(path, this.text);
    if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`);
    // A TypeScript file has statements only; directives are for scripts.
    this.statements = program.body.filter((node) => node.type !== 'ImportDeclaration') as Statement[];
    this.#comments = comments.filter(({ type, value }) => type === 'Block' && value.startsWith('*'));
  }

  slice({ start, end }: Span): string {
    return this.text.slice(start, end);
  }

  /** Text of the doc comment that ends right before the node, without its stars. */
  docBefore({ start }: Span): string {
    const comment = this.#comments.findLast(({ end }) => end <= start);
    if (comment === undefined || this.text.slice(comment.end, start).trim() !== '') return '';
    return comment.value
      .slice(1)
      .split('\n')
      .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
      .join('\n')
      .trim();
  }

  /** The exported declarations of this name: a schema and its type share one. */
  exported(name: string): { readonly node: Declaration; readonly doc: string }[] {
    return this.statements.flatMap((statement) => {
      if (statement.type !== 'ExportNamedDeclaration' || !statement.declaration) return [];
      const node = statement.declaration;
      return nameOf(node) === name ? [{ node, doc: this.docBefore(statement) }] : [];
    });
  }

  /** The initial value of a constant of the module. */
  constant(name: string): Expression | undefined {
    for (const statement of this.statements) {
      const node = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
      if (node?.type === 'VariableDeclaration' && nameOf(node) === name) return node.declarations[0]?.init ?? undefined;
    }
    return undefined;
  }

  /** What the file exports from other files: name and file, in order. */
  reexports(): { readonly name: string; readonly path: string }[] {
    return this.statements.flatMap((statement) => {
      if (statement.type !== 'ExportNamedDeclaration' || !statement.source) return [];
      const path = join(dirname(this.path), statement.source.value);
      return statement.specifiers.map(({ exported }) => ({
        name: exported.type === 'Literal' ? exported.value : exported.name,
        path,
      }));
    });
  }
}

function nameOf(node: Declaration): string | undefined {
  if (node.type === 'VariableDeclaration') {
    const id = node.declarations[0]?.id;
    return id?.type === 'Identifier' ? id.name : undefined;
  }
  return 'id' in node && node.id?.type === 'Identifier' ? node.id.name : undefined;
}
