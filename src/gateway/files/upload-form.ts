/** Files of a form, each passed on while it arrives: no file is in memory as a whole. */
import { Readable } from 'node:stream';
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import { CopilotError } from '../../client.ts';

const MAX_FILES = 100;

/**
 * Gives the files of a form to `take`, one after another.
 * @param take gets the last part of the name that the caller's program gave
 * @throws CopilotError `InvalidInput` if it is no form with files; what `take` throws
 */
export async function readUploads<Taken>(
  request: Request,
  take: (name: string, content: AsyncIterable<Uint8Array>) => Promise<Taken>,
): Promise<Taken[]> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^multipart\/form-data\s*;.*boundary=/i.test(type) || request.body === null) {
    throw new CopilotError('InvalidInput', { what: 'content-type', problem: 'send the files as multipart/form-data' });
  }
  const taken: Promise<Taken>[] = [];
  const streams: BusboyFileStream[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const refuse = (cause: unknown): void => reject(invalid(cause instanceof Error ? cause.message : String(cause)));
  const form = openForm(type);
  form.on('file', (_field: string, stream: BusboyFileStream, name: string | undefined) => {
    streams.push(stream);
    // A file that is cut off fails by itself, perhaps before anybody reads it.
    stream.on('error', refuse);
    // Browsers write a quotation mark in a name so.
    const file = take((name ?? '').replaceAll('%22', '"'), stream);
    // What is left of a refused file is read and dropped, or the next one would never come.
    file.catch((error: unknown) => {
      stream.resume();
      reject(error);
    });
    taken.push(file);
  });
  for (const limit of ['filesLimit', 'partsLimit'] as const) {
    form.on(limit, () => reject(invalid(`it has more than ${MAX_FILES} files`)));
  }
  form.on('finish', resolve);
  form.on('error', refuse);
  const body = Readable.fromWeb(request.body);
  body.on('error', reject);
  body.pipe(form);
  try {
    await promise;
    const all = await Promise.all(taken);
    if (all.length === 0) throw invalid('it has no file');
    return all;
  } finally {
    body.unpipe(form);
    for (const stream of [form, body, ...streams]) stream.destroy();
  }
}

function openForm(type: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': type },
      limits: { files: MAX_FILES, fields: 0, parts: 2 * MAX_FILES },
    });
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause));
  }
}

function invalid(problem: string): CopilotError {
  return new CopilotError('InvalidInput', { what: 'the form', problem });
}
