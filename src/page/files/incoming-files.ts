/** Files that are dropped on a place, or pasted into a text. */
import { useState } from 'preact/hooks';

type OnFiles = (files: Iterable<File>) => void;

const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false;

/** @returns handlers for the place, and whether files are above it */
export function useDrop(onFiles: OnFiles | undefined) {
  const [isOver, setOver] = useState(false);
  if (onFiles === undefined) return { isOver: false, handlers: {} };
  const handlers = {
    onDragOver: (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: ({ currentTarget, relatedTarget }: DragEvent): void => {
      const isInside =
        currentTarget instanceof Node && relatedTarget instanceof Node && currentTarget.contains(relatedTarget);
      if (!isInside) setOver(false);
    },
    onDrop: (event: DragEvent): void => {
      setOver(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      onFiles([...(event.dataTransfer?.files ?? [])]);
    },
  };
  return { isOver, handlers };
}

/** Takes pasted files. Cells of a table come as text and as a picture of it: the text counts. */
export function takePasted(event: ClipboardEvent, onFiles: OnFiles): void {
  const pasted = event.clipboardData;
  if (pasted === null || pasted.files.length === 0 || pasted.types.includes('text/plain')) return;
  event.preventDefault();
  onFiles([...pasted.files]);
}
