/** What becomes of the images of a tool's result. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keepImages } from '../../../src/activities/tool-images.ts';
import { MAX_IMAGE_BYTES, MAX_IMAGES } from '../../../src/contracts/limits.ts';
import { createToolWorld, type ToolWorld } from './tool-world.ts';

const PNG = Buffer.from('\u0089PNG\r\n\u001a\n and what follows', 'latin1');

describe('images of tools', () => {
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());

  const keep = (images: Parameters<typeof keepImages>[1]): ReturnType<typeof keepImages> =>
    keepImages({ workspace: world.workspace, tool: 'draw' }, images);

  it('bytes become a file named by its content, also for calls side by side', async () => {
    const kept = await Promise.all(Array.from({ length: 8 }, () => keep([PNG])));
    const path = kept[0]?.images[0]?.path ?? '';
    assert.match(path, /^tool-output\/[0-9a-f]{16}\.png$/);
    assert.deepEqual(await readFile(join(world.workspace, path)), PNG);
    for (const { images, artifacts, lines } of kept) {
      assert.deepEqual(
        images.map((image) => [image.path, image.mediaType, image.bytes]),
        [[path, 'image/png', PNG.length]],
      );
      assert.deepEqual([artifacts, lines], [[path], [`[Image file: ${path}.]`]]);
    }
  });

  it('a path of the workspace is referred to and not copied', async () => {
    await writeFile(join(world.workspace, 'a.png'), PNG);
    const { images, artifacts, lines } = await keep(['a.png']);
    assert.deepEqual([images.map(({ path }) => path), artifacts, lines], [['a.png'], [], []]);
  });

  it('what cannot be kept is a line, and the call has not failed', async () => {
    await writeFile(join(world.workspace, 'tool-output'), 'a file in the place of the folder');
    const { images, lines } = await keep([PNG, Buffer.from('<svg/>'), 'missing.png']);
    assert.equal(images.length, 0);
    const [unwritten = '', ...others] = lines;
    assert.match(unwritten, /^\[An image is left out: "tool-output\/[0-9a-f]{16}\.png" .+\]$/);
    assert.deepEqual(others, [
      '[An image is left out: it is not PNG, JPEG, WebP or GIF.]',
      '[An image is left out: "missing.png" does not exist. list_files shows what exists.]',
    ]);
  });

  it('a large one is a file that is not shown, and no more than a message may have are', async () => {
    const large = Buffer.concat([PNG, Buffer.alloc(MAX_IMAGE_BYTES)]);
    const { images, artifacts, lines } = await keep([large, ...Array.from({ length: MAX_IMAGES }, () => PNG)]);
    assert.equal(images.length, MAX_IMAGES - 1);
    assert.equal(artifacts.length, MAX_IMAGES);
    assert.match(lines[0] ?? '', /and the limit is 10485760, so it is not shown\.\]$/);
    assert.equal(lines.at(-1), '[1 more image is left out.]');
  });
});
