import { createServer, Server } from 'node:http';
import { AddressInfo } from 'node:net';

import { put, ADDRESS, ADMIN, USER } from './support/server';
import { rows } from './support/sql';
import { expect, test } from './support/test';

/** What an older client does, in a page of another origin, with nothing but fetch. */
interface Answers {
  root: unknown;
  login: { token: string; role: string };
  badLogin: [number, { error: string }];
  upload: { message: string; version: number };
  noFile: [number, { error: string }];
  badYaml: [number, { error: string }];
  trigger: { message: string };
  noPart: [number, { error: string }];
  badName: [number, { error: string }];
  logs: { logs: string[] };
  history: { configs: { id: number; version: number; timestamp: string; yaml_preview: string }[] };
  config: { id: number; version: number; timestamp: string; yaml_content: string };
  noConfig: number;
  coverage: { totals: { covered_lines: number; num_statements: number; percent_covered: number } };
  refused: number[];
  data: { columns: string[]; rows: Record<string, unknown>[] };
}

let elsewhere: Server;

test.beforeAll(async () => {
  elsewhere = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>an older client</title>');
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
});

test.afterAll(() => elsewhere.close());

test.describe('an older client of another origin', () => {
  test.use({ expected: /status of 4\d\d|favicon/ });

  test('works unchanged', async ({ page }) => {
    const folder = put('older/a.csv', 'id,name\n1,Ann\n2,Bob\n');
    const yaml = `sources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: older\n`;
    await page.goto(`http://localhost:${(elsewhere.address() as AddressInfo).port}/`);
    const answers = await page.evaluate(clientStory, { api: ADDRESS, admin: ADMIN, user: USER, yaml });

    expect(answers.root).toEqual({ status: 'API is running' });
    expect(answers.login).toMatchObject({ role: 'admin', token: expect.stringMatching(/^eyJ/) });
    expect(answers.badLogin).toEqual([401, expect.objectContaining({ error: expect.any(String) })]);
    expect(answers.upload).toMatchObject({
      message: 'YAML uploaded successfully',
      version: expect.any(Number),
    });
    expect(answers.noFile).toEqual([400, expect.objectContaining({ error: 'No file uploaded' })]);
    expect(answers.badYaml).toEqual([
      400,
      expect.objectContaining({ error: expect.stringMatching(/^Invalid YAML: /) }),
    ]);
    expect(answers.trigger).toMatchObject({ message: 'ELT job triggered successfully!' });
    expect(answers.noPart).toEqual([400, expect.objectContaining({ error: 'No file part' })]);
    expect(answers.badName).toEqual([400, expect.objectContaining({ error: 'Invalid file format' })]);
    expect(answers.logs.logs.length).toBeLessThanOrEqual(100);
    expect(answers.logs.logs.at(-1)).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [A-Z]+ - /);
    const newest = answers.history.configs[0];
    expect(newest).toMatchObject({
      version: answers.upload.version,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d$/),
      yaml_preview: [...yaml].slice(0, 100).join(''),
    });
    expect(answers.config).toMatchObject({ id: newest?.id, version: newest?.version, yaml_content: yaml });
    expect(answers.noConfig).toBe(404);
    const { covered_lines, num_statements, percent_covered } = answers.coverage.totals;
    expect(percent_covered).toBeCloseTo((covered_lines / num_statements) * 100, 1);
    expect(answers.refused).toEqual([401, 403, 403, 403]);
    expect(answers.data.columns).toEqual(['id', 'name']);
    expect(answers.data.rows).toHaveLength(await rows('older'));
    expect(answers.data.rows).toContainEqual({ id: 1, name: 'Ann' });
  });
});

/** Runs in the browser. */
async function clientStory(given: {
  api: string;
  admin: { name: string; password: string };
  user: { name: string; password: string };
  yaml: string;
}): Promise<Answers> {
  const { api, admin, user, yaml } = given;
  const json = async (answer: Promise<Response>) => (await answer).json();
  const failed = async (answer: Promise<Response>): Promise<[number, { error: string }]> => {
    const got = await answer;
    return [got.status, await got.json()];
  };
  const login = (username: string, password: string) =>
    fetch(`${api}/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
  const form = (text: string | undefined, name = 'config.yaml') => {
    const body = new FormData();
    if (text !== undefined) body.append('file', new File([text], name));
    return body;
  };
  const { token, role } = await json(login(admin.name, admin.password));
  const headers = { Authorization: `Bearer ${token}` };
  const get = (path: string) => fetch(api + path, { headers });
  const post = (path: string, body: FormData) => fetch(api + path, { method: 'POST', headers, body });

  const trigger = await json(post('/trigger-job', form(yaml)));
  let data = await post('/data-view', form(yaml));
  for (let tries = 0; data.status === 404 && tries < 450; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    data = await post('/data-view', form(yaml));
  }
  const upload = await json(post('/upload-config', form(yaml)));
  const history = await json(get('/config-history'));
  const analyst = await json(login(user.name, user.password));
  const asUser = { headers: { Authorization: `Bearer ${analyst.token}` } };
  return {
    root: await json(fetch(api, { headers: { Accept: 'application/json' } })),
    login: { token, role },
    badLogin: await failed(login(admin.name, 'wrong')),
    upload,
    noFile: await failed(post('/upload-config', form(undefined))),
    badYaml: await failed(post('/upload-config', form('{ this: [invalid: yaml'))),
    trigger,
    noPart: await failed(post('/trigger-job', form(undefined))),
    badName: await failed(post('/trigger-job', form(yaml, 'config.txt'))),
    logs: await json(get('/logs')),
    history,
    config: await json(get(`/config/${history.configs[0].id}`)),
    noConfig: (await get('/config/999999')).status,
    coverage: await json(get('/coverage-report')),
    refused: [
      (await fetch(`${api}/logs`)).status,
      (await fetch(`${api}/logs`, asUser)).status,
      (await fetch(`${api}/config-history`, asUser)).status,
      (await fetch(`${api}/trigger-job`, { method: 'POST', body: form(yaml), ...asUser })).status,
    ],
    data: await data.json(),
  };
}
