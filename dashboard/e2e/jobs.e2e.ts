import { createServer, Server } from 'node:http';
import { AddressInfo } from 'node:net';

import { call, yamlForm } from './support/api';
import { put } from './support/server';
import { rows, sql } from './support/sql';
import { expect, expectAccessible, test } from './support/test';
import { writeYaml } from './support/editor';

test('a job is written, checked, run, watched, and loads exactly its rows', async ({ admin: page }) => {
  const folder = put(
    'people/a.csv',
    'id,name,joined\n1,Ann,2024-01-02\n2,Bob,2024-02-03\n2,Bob,2024-02-03\n',
  );
  put('people/b.json', JSON.stringify([{ id: 3, name: 'Zoë', joined: '2024-03-04' }]));
  put('people/notes.pdf', 'not data');

  await page.goto('/ui/admin');
  await page.getByRole('link', { name: 'New job' }).first().click();
  await writeYaml(
    page,
    `name: people\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: people\n`,
  );
  await expect(page.getByText('Runnable', { exact: true })).toBeVisible();

  await page.getByRole('button', { name: 'Run now' }).click();
  await expect(page).toHaveURL(/\/ui\/runs\/[0-9a-f-]{36}/);
  // The file that is not data was left out.
  await expect(
    page.getByRole('region', { name: 'State', exact: true }).getByText('With warnings').first(),
  ).toBeVisible();

  await page.getByRole('link', { name: 'Result' }).click();
  const receipt = page.getByRole('region', { name: 'Receipt of every file' });
  await expect(receipt.getByRole('row', { name: /a\.csv/ })).toContainText('3');
  const all = receipt.getByRole('row', { name: /All 2 files/ }).getByRole('cell');
  await expect(all.nth(1)).toHaveText('4');
  await expect(all.nth(2)).toHaveText('3');
  await expect(all.nth(4)).toHaveText('1');
  expect(await rows('people')).toBe(3);

  await page.getByRole('link', { name: /Columns/ }).click();
  await expect(page.getByRole('row', { name: /joined/ })).toContainText('date');
  await page.getByRole('link', { name: 'Log', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Log lines' })).toContainText('people');
});

test('the same job again loads nothing twice', async ({ admin: page }) => {
  await page.goto('/ui/runs?name=people');
  await page.getByRole('link', { name: 'people', exact: true }).first().click();
  await page.getByRole('link', { name: /^Config \d+/ }).click();
  await page.getByRole('button', { name: 'Run this version' }).click();
  await expect(page).toHaveURL(/\/ui\/runs\//);
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state.getByText('With warnings').first()).toBeVisible();
  await expect(page.getByRole('region', { name: 'Rows' })).toContainText(/New\s*0/);
  expect(await rows('people')).toBe(3);
});

test('a mistake is shown at its place while one types', async ({ admin: page }) => {
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    'sources:\n  - type: gopher\n    path: /x\ntarget:\n  table: t\nstrickt_mode: true\n',
  );
  const check = page.getByRole('region', { name: 'Check' });
  await expect(check.getByText('Not runnable yet')).toBeVisible();
  await expect(check).toContainText('expected local, api, sftp, s3, http, ftp or inbox');
  await expect(check).toContainText('strict_mode');
  await expect(page.locator('.cm-lint-marker-error')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Run now' })).toBeDisabled();
  await check.getByRole('button', { name: 'Line 2' }).click();
  await expect(page.locator('.cm-activeLine')).toContainText('gopher');
});

test('keys and values are completed', async ({ admin: page }) => {
  await page.goto('/ui/new-job');
  await writeYaml(page, 'load:\n  mo');
  const suggestions = page.locator('.cm-tooltip-autocomplete');
  const complete = async (label: string) => {
    await page.keyboard.press('Control+Space');
    await suggestions.getByRole('option', { name: label }).click();
    await expect(suggestions).toBeHidden();
  };
  await complete('mode');
  await page.keyboard.type('mer');
  await complete('merge');
  await expect(page.locator('.cm-content')).toContainText('mode: merge');
});

test('a plan says what would happen, and changes nothing', async ({ admin: page }) => {
  const folder = put('planned/a.csv', 'id,city\n1,Oslo\n2,Bergen\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: planned\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: planned\n`,
  );
  await page.getByRole('button', { name: /^Plan/ }).click();
  const result = page.getByRole('region', { name: 'Result' });
  await expect(result.getByText('Clean', { exact: true }).first()).toBeVisible();
  await expect(result).toContainText('2 new');
  await expect(result).toContainText(/create table/i);
  await expect(result).toContainText('Bergen');
  const [found] = await sql("select to_regclass('planned') is null as missing");
  expect(found?.['missing']).toBe(true);
});

test('the connections can be tested first', async ({ admin: page }) => {
  const folder = put('tested/a.csv', 'id\n1\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: tested\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: tested\n`,
  );
  await page.getByRole('button', { name: 'Test the connections' }).click();
  await expect(
    page.getByRole('region', { name: 'Result' }).getByText('Clean', { exact: true }).first(),
  ).toBeVisible();
});

test.describe('a job that starts from a URL', () => {
  let server: Server;

  test.beforeAll(async () => {
    // 25 rows, ten on a page, for requests with the token.
    server = createServer((request, response) => {
      const before = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('after') ?? 0);
      const ids = Array.from({ length: 25 }, (_, index) => index + 1).slice(before, before + 10);
      const data = ids.map((id) => ({ id, name: `row ${id}`, updated_at: '2026-01-01T00:00:00Z' }));
      response.statusCode = request.headers.authorization === 'Bearer canary-token' ? 200 : 401;
      response.setHeader('content-type', 'application/json');
      response.setHeader('www-authenticate', 'Bearer');
      response.setHeader('x-ratelimit-limit', '60');
      const paging = before + 10 < 25 ? { next: { after: String(before + 10) } } : undefined;
      response.end(JSON.stringify(response.statusCode === 200 ? { results: data, paging } : {}));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  test.afterAll(() => server.close());

  test('shows what was found and why, and takes the proposed config', async ({ admin: page }) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/contacts`;
    await page.goto('/ui/new-job');
    const start = page.getByRole('region', { name: 'Start from a URL' });
    const look = start.getByRole('button', { name: 'Look at it' });
    await expect(look).toBeDisabled();
    await start.getByLabel('URL of an API').fill(url);
    await look.click();
    await expect(start).toContainText('it names: Bearer');
    await expect(start).toContainText('auth_token');

    await start.getByLabel('Token, if it needs one').fill('canary-token');
    await look.click();
    const found = start.getByRole('region', { name: 'Preview of source 1 (api)' });
    await expect(found.getByRole('listitem').filter({ hasText: 'Paging' })).toContainText('Certain');
    await expect(found).toContainText('Verified: the second page has 10 other rows');
    await expect(found).toContainText('60 requests are allowed');
    await expect(found.getByRole('row').nth(1)).toContainText('row 1');
    await expect(found.getByRole('row')).toHaveCount(11);
    await expectAccessible(page, 'a preview of a URL');

    await start.getByRole('button', { name: 'Use this config' }).click();
    const editor = page.locator('.cm-content');
    await expect(editor).toContainText('name: contacts');
    await expect(editor).toContainText('${secret:api_token}');
    await expect(page.getByText('Runnable', { exact: true })).toBeVisible();
    await expect(editor).not.toContainText('canary-token');
  });
});

test.describe('a run that takes its time', () => {
  let server: Server;
  let pages = 0;

  test.beforeAll(async () => {
    // Every page leads to another one, a moment later.
    server = createServer((request, response) => {
      const page = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('page') ?? 1);
      pages = Math.max(pages, page);
      setTimeout(() => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify([{ id: page, name: `row ${page}` }]));
      }, 250);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  test.afterAll(() => server.close());

  test('is stopped, loads nothing, and is retried', async ({ admin: page }) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rows`;
    await page.goto('/ui/new-job');
    await writeYaml(
      page,
      `name: slow\nsources:\n  - type: api\n    url: ${url}\n    pagination:\n      type: page\ntarget:\n  table: slow\nmonitor:\n  enabled: false\n`,
    );
    await page.getByRole('button', { name: 'Run now' }).click();
    const state = page.getByRole('region', { name: 'State', exact: true });
    await expect(state.getByText('Running')).toBeVisible();
    await expect(state.getByRole('listitem').filter({ hasText: 'Extract' })).toHaveAttribute(
      'aria-current',
      'step',
    );
    await expect.poll(() => pages).toBeGreaterThan(2);
    // The number of pages is not known, so it says how many there were, and no percentage.
    const progress = page.getByTestId('progress');
    await expect(progress).toContainText(/Reading the sources….* · \d+ files or pages · \d+ rows?/s);
    await expect(progress).toContainText(/so far/);
    await expect(progress).not.toContainText('%');

    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Stop the run' }).click();
    await expect(state.getByText('Stopped').first()).toBeVisible();
    await expect(state).toContainText('admin asked to stop the run');
    await expect(state.locator('li.failed')).toHaveCount(0);
    const [found] = await sql("select to_regclass('slow') is null as missing");
    expect(found?.['missing']).toBe(true);

    const stopped = page.url();
    await page.getByRole('button', { name: 'Retry' }).click();
    await expect(page).not.toHaveURL(stopped);
    await expect(page.getByRole('link', { name: 'Earlier run' })).toBeVisible();
    await expect(state.getByText('Running')).toBeVisible();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Stop the run' }).click();
    await expect(state.getByText('Stopped').first()).toBeVisible();
  });
});

test('a run over a large file says how much of it is done, how fast, and when it ends', async ({
  admin: page,
}) => {
  const lines = Array.from(
    { length: 400_000 },
    (_, at) => `${at},name ${at},${at % 97}.5,some words to read`,
  );
  const folder = put('large/a.csv', `id,name,amount,note\n${lines.join('\n')}\n`);
  const yaml = `name: large\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: large\n`;
  const { id } = await call<{ id: number }>('POST', '/upload-config', yamlForm(yaml));
  const run = await call<{ id: string }>('POST', '/runs', { config_id: id, now: true });
  await page.goto(`/ui/runs/${run.id}`);
  const bar = page.getByRole('progressbar', { name: 'Progress of this step' });
  const progress = page.getByTestId('progress');
  await expect(progress).toContainText(/Loading the rows: \d+%/);
  await expect(progress).toContainText(/of 400,000 rows · .*rows per second/s);
  const at = async (): Promise<number> => Number(await bar.getAttribute('aria-valuenow'));
  const first = await at();
  await expect.poll(at).toBeGreaterThan(first);
  await expect(page.getByText('Clean', { exact: true }).first()).toBeVisible({ timeout: 120_000 });
  await expect(progress).toHaveCount(0);
});

test('a failure says what happened and what to do', async ({ admin: page }) => {
  const folder = put('contract/a.csv', 'id,name\n1,Ann\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: contract\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: contract\nschema:\n  columns:\n    id: int64\n    email: string\n`,
  );
  await page.getByRole('button', { name: 'Run now' }).click();
  const alert = page.getByRole('region', { name: 'State', exact: true }).getByRole('alert');
  await expect(alert).toContainText('email');
  await expect(alert).toContainText('missing_column');
  await expectAccessible(page, 'a failed run');
  await page.goto('/ui/runs?state=failed');
  await expect(page.getByRole('row', { name: /contract/ }).first()).toContainText('email');
});
