// Starts a real `elt up` with a data folder of its own, and an identity provider, for the browser tests. Ends, and cleans up, on SIGTERM.
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';

import { CLIENT_SECRET, startProvider } from './identity-provider.mjs';

const root = resolve(import.meta.dirname, '../../..');
const binary = process.env.ELT_BIN ?? join(root, 'target/debug/elt');
if (!existsSync(binary)) {
  console.error(`There is no ${binary}. Build it with \`cargo build\`, or name another one in ELT_BIN.`);
  process.exit(1);
}

const data = process.env.ELT_E2E_DATA;
const port = process.env.ELT_E2E_PORT ?? '18085';
const address = `http://127.0.0.1:${port}`;
const provider = await startProvider(`${address}/auth/oidc/callback`);
const elt = spawn(binary, ['up', '--data-dir', data, '--listen', `127.0.0.1:${port}`], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL')),
    ELT_ADMIN_PASSWORD: 'correct horse battery',
    ELT_USER_PASSWORD: 'staple analyst view',
    ELT_MONITOR_INTERVAL: '2',
    // The checkout may be one that only root can read.
    ELT_ALLOW_ROOT: 'true',
    ELT_PUBLIC_URL: address,
    ELT_OIDC_ISSUER: provider.issuer,
    ELT_OIDC_CLIENT_ID: 'elt',
    ELT_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    ELT_OIDC_ADMIN_GROUPS: 'elt-admins',
    ELT_OIDC_USER_GROUPS: 'analysts',
    // Pages of the prototype's clients come from elsewhere.
    ELT_CORS_ORIGINS: '*',
  },
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => elt.kill(signal));
elt.on('exit', (code) => {
  provider.server.close();
  rmSync(data, { recursive: true, force: true });
  process.exit(code ?? 1);
});
