import { ADDRESS, ADMIN } from './server';

interface Login {
  token: string;
  role: string;
}

/** Logs in past the browser. */
export async function logIn(name: string, password: string): Promise<Login> {
  const answer = await fetch(`${ADDRESS}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: name, password }),
  });
  if (!answer.ok) throw new Error(`login of ${name}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Login;
}

/** Ends the session of a token, and accepts that it is over already. */
export async function logOut(token: string): Promise<void> {
  const answer = await fetch(`${ADDRESS}/auth/logout`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  if (!answer.ok && answer.status !== 401) throw new Error(`logout: ${answer.status} ${await answer.text()}`);
}

let admin: Promise<Login> | undefined;

/** Calls the API as an admin, with one login for all calls of a file. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const { token } = await (admin ??= logIn(ADMIN.name, ADMIN.password));
  const answer = await fetch(ADDRESS + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined || body instanceof FormData ? body : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** A form with a YAML as its file. */
export function yamlForm(yaml: string): FormData {
  const form = new FormData();
  form.set('file', new Blob([yaml]), 'config.yaml');
  return form;
}

export interface RunSeen {
  id: string;
  state: string;
  rows_inserted: number | null;
  error: string | null;
}

/** Keeps a YAML, runs it once and waits for its end. */
export async function runOnce(yaml: string): Promise<RunSeen & { config_id: number }> {
  const { id: config_id } = await call<{ id: number }>('POST', '/upload-config', yamlForm(yaml));
  let run = await call<RunSeen>('POST', '/runs', { config_id, now: true });
  for (let tries = 0; run.state === 'queued' || run.state === 'running'; tries++) {
    if (tries > 600) throw new Error(`run ${run.id} is still ${run.state}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    run = await call<RunSeen>('GET', `/runs/${run.id}`);
  }
  return { ...run, config_id };
}
