// A real OpenID Connect provider for the browser tests. It takes any name and password; the name says the groups.
import { once } from 'node:events';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

/** The client secret of elt at the provider. */
export const CLIENT_SECRET = 'the client secret of the browser tests';

const GROUPS = { ann: ['elt-admins', 'staff'], ben: ['analysts'] };

/** Starts the provider on a free port of this machine; `redirect` is where elt receives the browser. */
export async function startProvider(redirect) {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'elt', client_secret: CLIENT_SECRET, redirect_uris: [redirect] }],
    claims: {
      openid: ['sub'],
      profile: ['preferred_username'],
      email: ['email'],
      groups: ['groups'],
    },
    // The claims are in the ID token, as at most providers.
    conformIdTokenClaims: false,
    cookies: { keys: ['a key of the browser tests'] },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        preferred_username: id,
        email: `${id}@example.com`,
        groups: GROUPS[id] ?? [],
      }),
    }),
  });
  server.on('request', provider.callback());
  return { issuer, server };
}
