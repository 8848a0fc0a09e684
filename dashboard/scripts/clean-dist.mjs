// Empties the build's folder; `dist` itself and its .gitignore stay, because the API embeds what is in there.
import { rmSync } from 'node:fs';

rmSync(new URL('../dist/browser', import.meta.url), { recursive: true, force: true });
