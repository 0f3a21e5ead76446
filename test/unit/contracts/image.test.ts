import assert from 'node:assert/strict';
import { ImageReference, imageTypeOf, referenceTo } from '../../../src/contracts/image.ts';
import { MAX_IMAGE_BYTES } from '../../../src/contracts/limits.ts';
import { advance, EMPTY_TRANSCRIPT, type Message } from '../../../src/contracts/transcript.ts';

const PNG = Buffer.from('89504e470d0a1a0a0000', 'hex');

describe('images', () => {
  for (const [type, hex] of [
    ['image/png', '89504e470d0a1a0a'],
    ['image/jpeg', 'ffd8ffe0'],
    ['image/gif', Buffer.from('GIF89a').toString('hex')],
    ['image/gif', Buffer.from('GIF87a').toString('hex')],
    ['image/webp', `${Buffer.from('RIFF').toString('hex')}0a0a0a0a${Buffer.from('WEBPVP8 ').toString('hex')}`],
    [undefined, '89504e470d0a'],
    [undefined, Buffer.from('<svg xmlns="x"/>').toString('hex')],
    [undefined, `${Buffer.from('RIFF').toString('hex')}00000000${Buffer.from('WAVEfmt ').toString('hex')}`],
    [undefined, ''],
  ] as const) {
    it(`are told by their bytes: ${hex.slice(0, 24)} is ${type ?? 'none'}`, () => {
      assert.equal(imageTypeOf(Buffer.from(hex, 'hex')), type);
    });
  }

  it('have a reference with type, size and digest, unless they are too large', () => {
    const reference = referenceTo('a/b.png', PNG);
    assert.deepEqual(ImageReference.parse(reference), reference);
    assert.equal(referenceTo('a', Buffer.concat([PNG, Buffer.alloc(MAX_IMAGE_BYTES)])), undefined);
    assert.equal(ImageReference.safeParse({ ...reference, path: 'a\u001b[2Jb.png' }).success, false);
  });

  it('are part of what a worker checks of a conversation', () => {
    const reference = referenceTo('a.png', PNG);
    assert.ok(reference);
    const said: Message = { role: 'user', text: 'Look' };
    const [without, withImage, withOther] = [
      said,
      { ...said, images: [reference] },
      { ...said, images: [{ ...reference, path: 'b.png' }] },
    ].map((message) => advance(EMPTY_TRANSCRIPT, [message]).check);
    assert.equal(new Set([without, withImage, withOther]).size, 3);
  });
});
