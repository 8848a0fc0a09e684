/** Where the tests' own `elt up` listens. */
export const PORT = Number(process.env['ELT_E2E_PORT'] ?? 18_085);
export const ADDRESS = `http://127.0.0.1:${PORT}`;
export const ADMIN = { name: 'admin', password: 'correct horse battery' };
export const USER = { name: 'user', password: 'staple analyst view' };
