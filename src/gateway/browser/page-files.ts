/** The files of the page, in memory: they are few and small. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface PageFile {
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly zipped: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

export class PageFiles {
  readonly #files: ReadonlyMap<string, PageFile>;

  private constructor(files: ReadonlyMap<string, PageFile>) {
    this.#files = files;
  }

  /** @param folder what the build of the page made */
  static async read(folder: string): Promise<PageFiles> {
    const files = new Map<string, PageFile>();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const type = TYPES[extname(entry.name)];
      if (!entry.isFile() || type === undefined) continue;
      const path = join(entry.parentPath, entry.name);
      const plain = new Uint8Array(await readFile(path));
      // The build names assets by their content, so they never change.
      const isAsset = entry.name !== 'index.html';
      files.set(path.slice(folder.length), {
        plain,
        zipped: new Uint8Array(gzipSync(plain)),
        headers: {
          'content-type': type,
          vary: 'accept-encoding',
          etag: `"${createHash('sha256').update(plain).digest('hex').slice(0, 20)}"`,
          'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
        },
      });
    }
    return new PageFiles(files);
  }

  /** The answer for a path such as `/index.html`. Undefined if there is no such file. */
  answer(path: string, request: Headers): Response | undefined {
    const file = this.#files.get(path);
    if (file === undefined) return undefined;
    const { headers, plain, zipped } = file;
    if (request.get('if-none-match') === headers['etag']) return new Response(null, { status: 304, headers });
    const isZipped = /\bgzip\b/.test(request.get('accept-encoding') ?? '');
    if (!isZipped) return new Response(plain, { headers });
    return new Response(zipped, { headers: { ...headers, 'content-encoding': 'gzip' } });
  }
}
