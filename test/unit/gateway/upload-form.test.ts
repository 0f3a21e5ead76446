import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { readUploads } from '../../../src/gateway/files/upload-form.ts';
import { fails } from '../../helpers/client.ts';

const MIB = 1024 * 1024;

describe('a form with files', () => {
  const requestOf = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}): Request =>
    new Request('http://gateway/', { method: 'POST', body, headers, duplex: 'half' });
  const take = async (name: string, content: AsyncIterable<Uint8Array>): Promise<string> =>
    `${name}: ${(await buffer(content)).toString()}`;
  const formOf = (...files: readonly [name: string, content: string][]): FormData => {
    const form = new FormData();
    form.append('note', 'fields are left out');
    for (const [name, content] of files) form.append('file', new File([content], name));
    return form;
  };

  it('gives each file in order, with its name and not with its folder', async () => {
    const form = formOf(['a.txt', 'one'], ['größe "x".txt', 'two'], ['../../etc/passwd', ''], ['b\\c.txt', 'three']);
    assert.deepEqual(await readUploads(requestOf(form), take), [
      'a.txt: one',
      'größe "x".txt: two',
      'passwd: ',
      'c.txt: three',
    ]);
  });

  it('is read no faster than its files are taken', async () => {
    let sent = 0;
    const boundary = 'xyz';
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="f"; filename="large.bin"\r\n\r\n`;
    const parts = function* (): Generator<Uint8Array> {
      yield Buffer.from(head);
      for (; sent < 64 * MIB; sent += MIB) yield Buffer.alloc(MIB, 'x');
      yield Buffer.from(`\r\n--${boundary}--\r\n`);
    };
    const request = requestOf(ReadableStream.from(parts()), {
      'content-type': `multipart/form-data; boundary=${boundary}`,
    });
    const refused = readUploads(request, async (_, content) => {
      let size = 0;
      for await (const chunk of content) {
        size += chunk.length;
        if (size < MIB) continue;
        await new Promise((resolve) => setTimeout(resolve, 200));
        throw new Error('too large');
      }
    });
    await assert.rejects(refused, /too large/);
    assert.ok(sent < 16 * MIB, `${sent} bytes were read`);
  });

  it('that is none, is cut off or has no file is refused', async () => {
    await fails(
      readUploads(requestOf('{}', { 'content-type': 'application/json' }), take),
      'InvalidInput',
      /multipart/,
    );
    await fails(
      readUploads(requestOf('x', { 'content-type': 'multipart/form-data' }), take),
      'InvalidInput',
      /multipart/,
    );
    await fails(readUploads(requestOf(formOf()), take), 'InvalidInput', /it has no file/);
    const type = 'multipart/form-data; boundary=b';
    const cut = '--b\r\ncontent-disposition: form-data; name="f"; filename="a.txt"\r\n\r\nhalf of';
    await fails(readUploads(requestOf(cut, { 'content-type': type }), take), 'InvalidInput', /the form/);
    const late = async (name: string, content: AsyncIterable<Uint8Array>): Promise<string> => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return await take(name, content);
    };
    // An error that nobody heard would end the process.
    await fails(readUploads(requestOf(cut, { 'content-type': type }), late), 'InvalidInput', /the form/);
    const many = formOf(...Array.from({ length: 101 }, (_, index) => [`${index}`, 'x'] as [string, string]));
    await fails(readUploads(requestOf(many), take), 'InvalidInput', /more than 100 files/);
  });
});
