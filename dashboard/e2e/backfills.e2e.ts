import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { call, yamlForm } from './support/api';
import { expect, expectAccessible, test } from './support/test';

/** A beginning that the API refuses, until it is mended. */
let broken: string | undefined = '2024-02-01T00:00:00Z';
let server: Server;
let config: string;

test.beforeAll(async () => {
  server = createServer((request, response) => {
    const asked = new URL(request.url ?? '/', 'http://api').searchParams;
    const since = asked.get('since') ?? '';
    response.writeHead(since === broken ? 400 : 200, { 'content-type': 'application/json' });
    response.end(since === broken ? '{}' : JSON.stringify([{ id: since, until: asked.get('until') }]));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  config = `name: aa history\nsources:\n  - type: api\n    url: http://127.0.0.1:${port}/\n    params: { since: '{{since}}', until: '{{until}}' }\ntarget:\n  table: history\n`;
  await call('POST', '/upload-config', yamlForm(config));
});

test.afterAll(() => {
  server.close();
});

test('a range of time is loaded in windows, and a window that failed is loaded again', async ({
  admin: page,
}) => {
  await page.goto('/ui/pipelines');
  await page.getByLabel('Search all pipelines').fill('aa history');
  await page.getByRole('button', { name: 'Backfill aa history' }).click();
  const dialog = page.getByRole('dialog', { name: 'Backfill aa history' });
  await dialog.getByLabel('From').fill('2024-01-01');
  await dialog.getByLabel('To', { exact: true }).fill('2024-05-01');
  await expectAccessible(page, 'the dialog of a backfill');
  await dialog.getByRole('button', { name: 'Show the windows' }).click();
  await expect(dialog.getByText('4 windows: 2024-01-01 to 2024-02-01, …')).toBeVisible();
  await dialog.getByRole('button', { name: 'Start 4 windows' }).click();

  await expect(page.getByRole('heading', { name: 'Backfill of aa history' })).toBeVisible();
  const windows = page.getByRole('region', { name: 'Windows' });
  await expect(windows.getByRole('row')).toHaveCount(5);
  await expect(page.getByText('3 of 4 windows loaded · 1 failed')).toBeVisible({ timeout: 60_000 });
  await expectAccessible(page, 'a backfill');
  await page.getByRole('link', { name: 'Failed or stopped 1' }).click();
  await expect(windows.getByRole('row')).toHaveCount(2);
  await expect(windows.getByRole('link', { name: '2024-02-01 to 2024-03-01' })).toBeVisible();

  broken = undefined;
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByText('4 of 4 windows loaded')).toBeVisible({ timeout: 60_000 });
  await windows.getByRole('link', { name: '2024-02-01 to 2024-03-01' }).click();
  await expect(page.getByRole('link', { name: 'Backfill, 2024-02-01 to 2024-03-01' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Retry' })).toHaveCount(0);

  await page.goto('/ui/backfills');
  await expect(page.getByRole('link', { name: 'aa history' }).first()).toBeVisible();
  await expectAccessible(page, 'the backfills');
});
