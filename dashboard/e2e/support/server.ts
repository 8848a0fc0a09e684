import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the tests' own `elt up` listens. */
export const PORT = Number(process.env['ELT_E2E_PORT'] ?? 18_085);
export const ADDRESS = `http://127.0.0.1:${PORT}`;
export const ADMIN = { name: 'admin', password: 'correct horse battery' };
export const USER = { name: 'user', password: 'staple analyst view' };

/** The installation's data folder. */
export function dataDir(): string {
  const dir = process.env['ELT_E2E_DATA'];
  if (dir === undefined) throw new Error('ELT_E2E_DATA is set by playwright.config.ts');
  return dir;
}

/** Writes an input file where workers may read, and answers the folder it is in. */
export function put(path: string, content: string): string {
  const file = join(dataDir(), 'input', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return dirname(file);
}
