/** Files of a session where they are mentioned: images to look at, and everything to download. */
import { useRef, useState } from 'preact/hooks';
import { fileAddress } from '../api/api.ts';
import { Visible } from '../text/visible.tsx';

/** A browser runs nothing that stands in an image, an SVG file included. */
const isImage = (path: string): boolean => /\.(?:png|jpe?g|gif|webp|svg)$/i.test(path);

export interface FileRef {
  readonly path: string;
  /** Of the content that is meant, if it is known. */
  readonly digest?: string;
}

interface FilesOf {
  readonly sessionId: string;
  readonly files: readonly FileRef[];
  readonly label: string;
}

export function FileLinks({ sessionId, files, label }: FilesOf) {
  if (files.length === 0) return null;
  return (
    <div class="file-links" role="group" aria-label={label}>
      <Images sessionId={sessionId} files={files.filter(({ path }) => isImage(path))} />
      <ul class="files">
        {files.map(({ path }) => (
          <li key={path}>
            <a href={fileAddress(sessionId, path)} download="">
              <Visible text={path} />
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Small pictures that open when they are clicked. */
export function Images({ sessionId, files }: Omit<FilesOf, 'label'>) {
  if (files.length === 0) return null;
  return (
    <ul class="images">
      {files.map((file) => (
        <li key={`${file.path} ${file.digest}`}>
          <Image sessionId={sessionId} file={file} />
        </li>
      ))}
    </ul>
  );
}

function Image({ sessionId, file: { path, digest } }: { readonly sessionId: string; readonly file: FileRef }) {
  const [isGone, setGone] = useState(false);
  const view = useRef<HTMLDialogElement>(null);
  const address = fileAddress(sessionId, path, digest);
  if (isGone) {
    return (
      <p class="hint">
        <Visible text={path} /> cannot be shown. It has changed since, or the gateway does not have it now.
        <button class="plain" onClick={() => setGone(false)}>
          Try again
        </button>
      </p>
    );
  }
  return (
    <>
      <button class="thumbnail" aria-label={`Look at ${path}`} onClick={() => view.current?.showModal()}>
        <img src={address} alt={path} loading="lazy" onError={() => setGone(true)} />
      </button>
      <dialog
        ref={view}
        class="image-view"
        aria-label={path}
        onClick={({ target, currentTarget }) => {
          if (target === currentTarget) currentTarget.close();
        }}
      >
        <header>
          <span>
            <Visible text={path} />
          </span>
          <a class="button" href={address} download="">
            Download
          </a>
          <button onClick={() => view.current?.close()}>Close</button>
        </header>
        <img src={address} alt={path} loading="lazy" />
      </dialog>
    </>
  );
}
