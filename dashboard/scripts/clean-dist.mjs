// Empties the folder of the dashboard's files. The folder itself stays, because cargo may compile the API at the same time,
// and a development build finds no files in a folder that was missing then.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../dist/browser', import.meta.url));
for (const name of existsSync(folder) ? readdirSync(folder) : []) {
  rmSync(join(folder, name), { recursive: true });
}
