import { call, yamlForm } from './support/api';
import { rows } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

const ROWS = 120_000;

function yamlOf(name: string, more: string): string {
  return `name: ${name}\nsources:\n  - type: inbox\n${more}target: {table: ${name}}\nmonitor: {enabled: false}\n`;
}

/** A file of some megabytes. */
function csv(): Buffer {
  const lines = Array.from({ length: ROWS }, (_, at) => `${at},harbour number ${at}`);
  return Buffer.from(`id,name\n${lines.join('\n')}\n`);
}

test.use({ expected: /net::ERR_|status of 40[39]/ });

test('an admin brings a file, the connection breaks, and the run loads every row', async ({
  admin: page,
}) => {
  await call('POST', '/upload-config', yamlForm(yamlOf('harbours', '')));
  await page.goto('/ui/files?pipeline=harbours');
  await expect(page.getByRole('combobox', { name: 'Pipeline', exact: true })).toHaveValue('harbours');
  await expectAccessible(page, 'files');
  let cut = 0;
  await page.route('**/pipelines/harbours/files/**', async (route) => {
    const range = route.request().headers()['content-range'] ?? '';
    if (cut === 0 && !range.startsWith('bytes */')) {
      cut++;
      await route.abort('connectionreset');
      return;
    }
    await route.continue();
  });
  const chosen = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Choose files' }).press('Enter');
  await (await chosen).setFiles({ name: 'harbours.csv', mimeType: 'text/csv', buffer: csv() });
  await expect(page.getByText('The connection broke. The upload continues by itself…')).toBeVisible();
  await expect(page.getByText('The file is in the inbox.')).toBeVisible({ timeout: 60_000 });
  expect(cut).toBe(1);
  await expect(
    page.getByRole('region', { name: 'Files' }).getByRole('cell', { name: 'harbours.csv', exact: true }),
  ).toBeVisible();
  await expectAccessible(page, 'files with an upload');
  await page.getByRole('link', { name: 'Open the run' }).click();
  await expect(page.getByText('Clean', { exact: true }).first()).toBeVisible({ timeout: 60_000 });
  expect(await rows('harbours')).toBe(ROWS);
});

test('an analyst brings a file where an admin allowed it, and replaces it', async ({ analyst: page }) => {
  await call('POST', '/upload-config', yamlForm(yamlOf('lighthouses', '    users: true\n')));
  await page.goto('/ui/files');
  const options = page.getByRole('combobox', { name: 'Pipeline', exact: true }).getByRole('option');
  await expect(options.filter({ hasText: 'lighthouses' })).toHaveCount(1);
  await expect(options.filter({ hasText: 'harbours' })).toHaveCount(0);
  await page.goto('/ui/files?pipeline=lighthouses');
  const box = page.getByLabel('Files to upload');
  await box.setInputFiles({ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('id\n1\n') });
  await expect(page.getByText('The file is in the inbox.')).toBeVisible();
  await box.setInputFiles({ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('id\n1\n2\n') });
  await expect(page.getByText('has another file a.csv')).toBeVisible();
  await page.getByRole('button', { name: 'Replace the other file' }).click();
  await expect(page.getByText('The file is in the inbox.')).toHaveCount(2);
  await expect(page.getByRole('link', { name: 'Open the run' })).toHaveCount(0);
});
