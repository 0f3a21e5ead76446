/** Whether a folder can be written to. Makes nothing. */
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The path, or its nearest parent that exists. */
export async function nearestFolder(path: string): Promise<string> {
  for (let there = path; ; there = dirname(there)) {
    const exists = await stat(there).then(
      () => true,
      () => false,
    );
    if (exists || there === dirname(there)) return there;
  }
}

/** Why this program could not write there, or make the folder. Undefined if it can. */
export async function findWriteProblem(folder: string): Promise<string | undefined> {
  const there = await nearestFolder(folder);
  if (!(await stat(there)).isDirectory()) return `${there} is a file`;
  try {
    await access(there, constants.W_OK | constants.X_OK);
    return undefined;
  } catch {
    return `${there} cannot be written to`;
  }
}
