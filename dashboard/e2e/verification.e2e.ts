import { Page } from '@playwright/test';

import { call, runOnce } from './support/api';
import { put } from './support/server';
import { sql } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

// A verification compares the table and the sources with what a run loaded, and says what differs.

function yamlOf(name: string, folder: string): string {
  return `name: ${name}\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: ${name}\n`;
}

/** Presses Verify on the page of a run, and waits until the verification is over. */
async function verify(page: Page, run: string): Promise<void> {
  await page.goto(`/ui/runs/${run}`);
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page).not.toHaveURL(new RegExp(run));
  await expect(page.getByRole('list', { name: 'Progress' })).toContainText('Verification');
  await expect(page.getByText(/The table (agrees|does not agree)/)).toBeVisible();
}

test('a table that nobody changed agrees with the run that loaded it', async ({ admin: page }) => {
  const folder = put('verified/a.csv', 'id,name\n1,Ann\n2,Bob\n');
  const run = await runOnce(yamlOf('verified', folder));
  await verify(page, run.id);
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state.getByText('Clean', { exact: true }).first()).toBeVisible();
  await expect(state).toContainText('table public.verified');
  await expect(state).not.toContainText('into');
  const result = page.getByRole('status').filter({ hasText: 'The table agrees' });
  await expect(result).toContainText('2 of its 2 rows are in the table.');
  await expect(result).toContainText(
    '1 file has the same content as then, and the table has every row of it.',
  );
  await expect(page.getByRole('region', { name: 'Files that differ' })).toHaveCount(0);
  // A verification reads no rows into the table, so there are neither sums nor columns to show.
  await expect(page.getByRole('region', { name: 'Rows', exact: true })).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Columns', exact: true })).toHaveCount(0);
  await expectAccessible(page, 'a verification that agrees');
  await result.getByRole('link', { name: 'the run that was verified' }).click();
  await expect(page).toHaveURL(new RegExp(run.id));
});

test('what was changed, deleted or replaced since is named', async ({ admin: page }) => {
  const long = `${'a very long name of a file '.repeat(5).trim()}.csv`;
  const folder = put('altered/a.csv', 'id,name\n1,Ann\n2,Bob\n3,Cyd\n');
  put(`altered/${long}`, 'id,name\n4,Dan\n');
  put('altered/c.csv', 'id,name\n5,Eve\n');
  const run = await runOnce(yamlOf('altered', folder));
  await sql("update altered set name = 'Mallory' where id = 1");
  await sql('delete from altered where id = 2');
  put(`altered/${long}`, 'id,name\n4,Daniel\n');

  await verify(page, run.id);
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state.getByText('With warnings').first()).toBeVisible();
  await expect(state.getByText('Clean', { exact: true })).toHaveCount(0);
  const said = page.getByRole('main').getByRole('alert').filter({ hasText: 'The table does not agree' });
  await expect(said).toContainText('4 of its 5 rows are in the table, 1 of them with other values.');
  await said.getByText('Rows with other values', { exact: true }).click();
  await expect(said.getByRole('listitem')).toHaveCount(1);
  const files = page.getByRole('region', { name: 'Files that differ' });
  await expect(files.getByRole('row', { name: /^a\.csv|altered\/a\.csv/ })).toContainText('Same content');
  const changed = files.getByRole('row', { name: new RegExp(long.slice(0, 40)) });
  await expect(changed).toContainText('Changed since');
  await expect(changed).toContainText('not compared');
  await expect(files.getByRole('row', { name: /c\.csv/ })).toHaveCount(0);
  await expectAccessible(page, 'a verification that does not agree');
  for (const width of [360, 1360]) {
    await page.setViewportSize({ width, height: 900 });
    const over = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(over, `the page is as wide as the window of ${width} px`).toBeLessThanOrEqual(0);
  }

  await page.goto('/ui/runs?name=altered&kind=verify');
  await expect(page.getByRole('region', { name: 'Runs' }).getByRole('row').nth(1)).toContainText(
    'With warnings',
  );
});

test.describe('a run that was undone', () => {
  test.use({ expected: /409/ });

  test('cannot be verified, and says why', async ({ admin: page }) => {
    const folder = put('undone/a.csv', 'id\n1\n');
    const run = await runOnce(yamlOf('undone', folder));
    const { id } = await call<{ id: string }>('POST', `/runs/${run.id}/undo`);
    await expect
      .poll(async () => (await call<{ state: string }>('GET', `/runs/${id}`)).state)
      .toBe('succeeded');
    await page.goto(`/ui/runs/${run.id}`);
    await page.getByRole('button', { name: 'Verify' }).click();
    await expect(page.getByText(/cannot be verified: it was undone/)).toBeVisible();
  });
});
