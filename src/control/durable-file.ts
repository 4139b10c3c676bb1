// Folders and small files of .millrace/: files are there whole, the old one or the new one, also after a power cut.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes JSON with a line's end. The folder must be there. Errors of the system have the path. */
export function writeDurably(path: string, content: object): void {
  const made = `${path}.new`;
  const file = openSync(made, 'w');
  try {
    writeSync(file, `${JSON.stringify(content)}\n`);
    fsyncSync(file);
  } catch (error) {
    throw Object.assign(error as Error, { path });
  } finally {
    closeSync(file);
  }
  renameSync(made, path);
  syncFolder(dirname(path));
}

/** Makes a folder and those above it where they are missing. */
export function makeFolder(path: string): void {
  const highest = mkdirSync(path, { recursive: true });
  if (highest === undefined) return;
  for (let made = path; made.length >= highest.length; made = dirname(made)) syncFolder(dirname(made));
}

/** Makes what was made, renamed or removed in a folder durable; where folders cannot be opened, the system does so by itself. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
