import { runOnce } from './support/api';
import { put } from './support/server';
import { expect, test } from './support/test';

let run: string;

test.beforeAll(async () => {
  const folder = put('logged/a.csv', 'id\n1\n2\n');
  const yaml = `name: logged\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: logged\n`;
  run = (await runOnce(yaml)).id;
});

test('the last lines come again every 10 seconds, visibly, until one leaves', async ({ admin: page }) => {
  await page.clock.install();
  let asked = 0;
  page.on('request', (request) => {
    if (new URL(request.url()).pathname === '/logs/search') asked += 1;
  });
  await page.goto('/ui/logs');
  const lines = page.getByRole('region', { name: 'Log lines' });
  await expect(lines.getByRole('listitem').first()).toBeVisible();
  expect(await lines.getByRole('listitem').count()).toBeLessThanOrEqual(100);
  expect(asked).toBe(1);
  await page.clock.runFor(5000);
  await expect(page.getByTestId('countdown')).toHaveText(/Refresh in [1-6] s/);
  await page.clock.runFor(5500);
  await expect.poll(() => asked).toBe(2);

  // The clock of the page also goes on by itself, so a slow machine may ask once more before each click.
  await page.getByRole('button', { name: 'Paused' }).click();
  const paused = asked;
  await page.clock.runFor(25_000);
  expect(asked).toBe(paused);
  await page.getByRole('button', { name: 'Every 10 s' }).click();
  await expect.poll(() => asked).toBeGreaterThan(paused);

  await page.getByRole('link', { name: 'Workers' }).click();
  await expect(page.getByRole('heading', { name: 'Workers', level: 1 })).toBeVisible();
  const left = asked;
  await page.clock.runFor(25_000);
  expect(asked).toBe(left);
});

test('lines are found by level, words and run, and the address says so', async ({ admin: page }) => {
  await page.goto(`/ui/logs?run=${run}`);
  const lines = page.getByRole('region', { name: 'Log lines' });
  await expect(lines).toContainText('logged');
  const all = await lines.getByRole('listitem').count();
  await page.getByLabel('Search messages').fill('loaded');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/text=loaded/);
  await expect(lines.locator('.hit').first()).toBeVisible();
  expect(await lines.getByRole('listitem').count()).toBeLessThanOrEqual(all);
  await page.getByLabel('Level').selectOption('Errors only');
  await expect(page.getByText('No line matches.')).toBeVisible();
  await page.getByRole('link', { name: /Only run/ }).click();
  await expect(page).not.toHaveURL(/run=/);
});

test('the log is followed live, and can be copied and downloaded', async ({ admin: page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/ui/logs');
  await page.getByRole('button', { name: 'Live' }).click();
  await expect(page.locator('.badge', { hasText: 'Live' })).toBeVisible();
  const folder = put('followed/a.csv', 'id\n1\n');
  await runOnce(
    `name: followed\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: followed\n`,
  );
  const lines = page.getByRole('region', { name: 'Log lines' });
  await expect(lines).toContainText('followed');
  await page.getByRole('button', { name: 'Copy these lines' }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  for (const line of copied.split('\n')) {
    expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - (ERROR|WARNING|INFO|DEBUG|TRACE) - /);
  }
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download these lines' }).click(),
  ]);
  expect(file.suggestedFilename()).toMatch(/^elt-.*\.log$/);
});

test('a line opens to show its fields, and leads to its run', async ({ admin: page }) => {
  await page.goto(`/ui/logs?text=logged`);
  const line = page.getByRole('region', { name: 'Log lines' }).getByRole('listitem').first();
  await line.getByRole('button', { name: 'Show details' }).click();
  await expect(line).toContainText('UTC');
  await line.getByRole('link', { name: /^run / }).click();
  await expect(page).toHaveURL(new RegExp(`/ui/runs/${run}`));
});
