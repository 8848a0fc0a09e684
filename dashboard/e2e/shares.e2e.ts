import { readFileSync } from 'node:fs';

import { call, runOnce } from './support/api';
import { USER, put } from './support/server';
import { sql } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

const NAME = 'shared_orders';

test.beforeAll(async () => {
  const folder = put('shared_orders/a.csv', 'id,city,amount\n1,Oslo,2.50\n2,Rome,3.00\n3,Oslo,4.00\n');
  const run = await runOnce(
    `name: ${NAME}\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: ${NAME}\nfreshness: 12h\n`,
  );
  expect(run.error).toBeNull();
});

test('an admin shares a table with a user by name', async ({ admin: page }) => {
  await page.goto('/ui/pipelines');
  await page.getByLabel('Search all pipelines').fill(NAME);
  await page.getByRole('button', { name: `Share the table of ${NAME}` }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('It is not shared yet.')).toBeVisible();
  await dialog.getByLabel('User').fill(USER.name);
  await dialog.getByRole('button', { name: 'Share', exact: true }).click();
  await expect(dialog.getByRole('list', { name: 'Shared with' })).toContainText(USER.name);
  await expectAccessible(page, 'the dialog of shares');
  await dialog.getByRole('button', { name: `End the share with ${USER.name}` }).click();
  await expect(dialog.getByText('It is not shared yet.')).toBeVisible();
  const left = await call<{ data: unknown[] }>('GET', `/pipelines/${NAME}/shares`);
  expect(left.data).toEqual([]);
});

test('a user finds a shared table, filters it, saves the filter and exports it', async ({
  analyst: page,
}) => {
  await call('PUT', `/pipelines/${NAME}/shares/${USER.name}`);
  await page.goto('/ui/user');
  const shared = page.getByRole('region', { name: 'Tables shared with you' });
  await expect(shared.getByText('Fresh')).toBeVisible();
  await expectAccessible(page, 'Home with shared tables');
  await shared.getByRole('link', { name: NAME }).click();
  await expect(page.getByText('1–3 of 3')).toBeVisible();
  await expect(page.getByLabel('Shared with you')).toHaveValue(NAME);
  await expect(page.getByText('Columns of elt')).toBeHidden();

  await page.getByLabel('Column', { exact: true }).selectOption('city');
  await page.getByLabel('Comparison').selectOption('is');
  await page.getByLabel('Value').fill('Oslo');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await expect(page.getByText('1–2 of 2')).toBeVisible();
  await page.getByRole('button', { name: 'Save filter…' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('only Oslo');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByLabel('Saved filters', { exact: true })).toHaveValue('only Oslo');
  await page.getByRole('button', { name: /^Remove the filter city is/ }).click();
  await expect(page.getByText('1–3 of 3')).toBeVisible();
  await page.getByLabel('Saved filters', { exact: true }).selectOption('only Oslo');
  await expect(page.getByText('1–2 of 2')).toBeVisible();
  await expectAccessible(page, 'a shared table');

  await page.getByRole('button', { name: 'Profile of city: 0 % missing, 2 different of 3 rows' }).click();
  const profile = page.getByRole('dialog');
  await expect(profile.getByRole('region', { name: 'Commonest values' })).toContainText('Oslo');
  await expect(profile.getByText('Last runs')).toHaveCount(0);
  await expectAccessible(page, 'the profile of a shared column');
  await profile.getByRole('button', { name: 'Close' }).click();

  const exported = async (format: string): Promise<{ name: string; path: string; url: string }> => {
    await page.getByRole('button', { name: 'Export' }).click();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('menuitem', { name: format }).click(),
    ]);
    return { name: file.suggestedFilename(), path: await file.path(), url: file.url() };
  };
  const csv = await exported('CSV');
  expect(csv.name).toBe(`${NAME}.csv`);
  expect(csv.url, 'the browser writes it to the disk as it arrives').toMatch(/\/shared-tables\/.*&ticket=/);
  expect(readFileSync(csv.path, 'utf8').trim().split('\n')).toHaveLength(3);
  const workbook = await exported('Excel (xlsx)');
  expect(workbook.name).toBe(`${NAME}.xlsx`);
  expect(readFileSync(workbook.path).subarray(0, 2).toString()).toBe('PK');
  const parquet = await exported('Parquet');
  expect(parquet.name).toBe(`${NAME}.parquet`);
  expect(readFileSync(parquet.path).subarray(0, 4).toString()).toBe('PAR1');

  await page.getByRole('button', { name: 'Delete the saved filter only Oslo' }).click();
  await expect(page.getByRole('button', { name: 'Save filter…' })).toBeVisible();
});

test.describe('a share that has ended', () => {
  test.use({ expected: /404/ });

  test('is over at the next look, and nothing else is shown in its place', async ({ analyst: page }) => {
    await call('PUT', `/pipelines/${NAME}/shares/${USER.name}`);
    await page.goto(`/ui/data-view?shared=${NAME}`);
    await expect(page.getByText('1–3 of 3')).toBeVisible();
    await call('DELETE', `/pipelines/${NAME}/shares/${USER.name}`);
    await page.getByRole('button', { name: 'Reload' }).click();
    await expect(page.getByRole('alert')).toContainText('shared with you');
    const [{ rows } = { rows: '' }] = await sql(`select count(*)::text as rows from ${NAME}`);
    expect(rows).toBe('3');
  });
});
