import assert from 'node:assert/strict';
import type { SessionHandle } from '../../../src/client.ts';
import { nameAfterContent, readBase64, readDataUrl, storeFiles } from '../../../src/gateway/files/given-file.ts';
import { createFilesWorld, type FilesWorld } from '../client/files-world.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);
const facts = { name: undefined, mediaType: undefined };

describe('a file that a caller sends in a message', () => {
  let world: FilesWorld;
  before(async () => void (world = await createFilesWorld()));
  after(() => world.remove());

  const store = (name: string | undefined, content: Uint8Array): Promise<string[]> =>
    storeFiles(
      { files: world.files } as unknown as SessionHandle, // as much of one as is needed
      [{ name, mediaType: undefined, content }],
      new AbortController().signal,
    );

  for (const [url, type, content] of [
    ['data:text/plain;base64,aGk=', 'text/plain', 'hi'],
    ['data:text/plain;charset=utf-8;base64,aGk', 'text/plain', 'hi'],
    ['DATA:TEXT/CSV,a%2Cb%0A', 'text/csv', 'a,b\n'],
    ['data:,gr%C3%BC%C3%9Fe', undefined, 'grüße'],
    ['data:;base64,aG%0Ak=', undefined, 'hi'],
    ['data:application/pdf;name=a.pdf;base64,aGk=', 'application/pdf', 'hi'],
    ['data:text/plain,', 'text/plain', ''],
  ] as const) {
    it(`${url} is read`, () => {
      const file = readDataUrl(url, 'a.txt', 'here');
      assert.deepEqual([file.mediaType, Buffer.from(file.content).toString(), file.name], [type, content, 'a.txt']);
    });
  }

  for (const url of [
    'https://example.org/a.png',
    'http://169.254.169.254/',
    'file:///etc/passwd',
    '',
    'data:image/png',
  ]) {
    it(`"${url}" is refused: the gateway fetches nothing`, () =>
      assert.throws(
        () => readDataUrl(url, undefined, 'input[0]'),
        /input\[0\] is not valid: the gateway fetches nothing/,
      ));
  }

  it('is base64 and nothing else', () => {
    assert.equal(Buffer.from(readBase64('aGk_', facts, 'x').content).toString(), 'hi?');
    for (const wrong of ['äöü', 'aGk=aGk=', '<svg>', 'a%ffb']) {
      assert.throws(() => readBase64(wrong, facts, 'x'), /x is not valid: (it is not base64|its escapes)/, wrong);
    }
  });

  it('has its own name if that can be one, and never one that leads elsewhere', async () => {
    for (const [name, path] of [
      ['report.pdf', 'report.pdf'],
      ['../../etc/passwd', 'passwd'],
      ['C:\\Users\\ada\\photo.png', 'photo.png'],
      ['.env', 'env'],
      ['größe\r\n.txt', 'größe.txt'],
      ['a\ud800b.txt', 'a\ufffdb.txt'],
      [`${'x'.repeat(300)}.txt`, `${'x'.repeat(60)}.txt`],
    ] as const) {
      assert.deepEqual(await store(name, Buffer.from('one')), [path]);
    }
    assert.match((await store('..', Buffer.from('two')))[0] ?? '', /^file-[0-9a-f]{12}\.bin$/);
    assert.match((await store(undefined, PNG))[0] ?? '', /^image-[0-9a-f]{12}\.png$/);
    assert.match(
      nameAfterContent({ ...facts, mediaType: 'application/pdf', content: PNG.subarray(9) }).name ?? '',
      /\.pdf$/,
    );
  });

  it('keeps its name when it is sent again, and takes another one if a different file has it', async () => {
    const [first] = await store('same.txt', Buffer.from('1'));
    const [again] = await store('same.txt', Buffer.from('1'));
    const [other] = await store('same.txt', Buffer.from('2'));
    assert.deepEqual([first, again], ['same.txt', 'same.txt']);
    assert.match(other ?? '', /^same-[0-9a-f]{12}\.txt$/);
    assert.deepEqual(await store('same.txt', Buffer.from('2')), [other]);
  });
});
