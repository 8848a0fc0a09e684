import { readFileSync } from 'node:fs';

import { call, runOnce, yamlForm } from './support/api';
import { put } from './support/server';
import { rows } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

const ROWS = 'id,amount\n1,12.50\n2,-3.00\nx,5.00\n4,9.00\n';

test('rejected rows are kept with their reasons, and loaded once the contract is mended', async ({
  admin: page,
}) => {
  const folder = put('bills/a.csv', ROWS);
  const yaml = (amount: string) =>
    `name: bills\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: bills\nschema:\n  columns:\n    id: int64\n    amount: ${amount}\non_bad_row: quarantine\n`;
  const run = await runOnce(yaml('{type: "decimal(18,2)", min: 0}'));
  expect(run.rows_inserted).toBe(2);
  expect(await rows('bills')).toBe(2);

  await page.goto(`/ui/runs/${run.id}`);
  await expect(page.getByRole('region', { name: 'Rows' })).toContainText(/Quarantined\s*2/);
  await page.getByRole('link', { name: '2 quarantined' }).click();
  const list = page.getByRole('region', { name: 'Rejected rows' });
  await expect(list.getByRole('row', { name: /:3/ })).toContainText('-3.00');
  await expect(list.getByRole('row', { name: /:4/ })).toContainText('x,5.00');
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export CSV' }).click(),
  ]);
  expect(
    readFileSync(await file.path(), 'utf8')
      .trimEnd()
      .split('\n'),
  ).toHaveLength(3);

  const mended = await call<{ id: number }>('POST', '/upload-config', yamlForm(yaml('"decimal(18,2)"')));
  await page.goto('/ui/quarantine');
  await page.getByLabel('Table of the pipeline').selectOption('bills');
  await expect(page).toHaveURL(new RegExp(`config=${mended.id}$`));
  await list.getByRole('row', { name: /:3/ }).getByRole('checkbox').check();
  await page.getByRole('button', { name: 'Replay 1' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Replay' }).click();
  await expect(page).toHaveURL(/\/ui\/runs\//);
  await expect(
    page.getByRole('region', { name: 'State', exact: true }).getByText('Clean', { exact: true }).first(),
  ).toBeVisible();
  expect(await rows('bills')).toBe(3);
  expect(await rows('bills where amount = -3')).toBe(1);

  await page.goto(`/ui/quarantine?config=${mended.id}`);
  await expect(list.getByRole('row', { name: /:3/ })).toContainText('Replayed');

  // The pipeline's page counts the rows that were not replayed, and leads to them alone.
  await page.goto('/ui/pipelines/bills');
  const left = page.getByRole('region', { name: 'Health' }).getByRole('link', { name: '1 row', exact: true });
  await left.click();
  await expect(page.getByLabel('With replayed rows')).not.toBeChecked();
  await expect(page.getByText('1 in all')).toBeVisible();
  await expect(list.getByRole('row', { name: /:3/ })).toHaveCount(0);
  await page.getByLabel('With replayed rows').check();
  await expect(page.getByText('2 in all')).toBeVisible();
});

test('the quarantine says who rejected rows, and counts and filters all of them', async ({ admin: page }) => {
  const lines = Array.from({ length: 131 }, (_, at) => (at < 100 ? `${at},twelve` : `x${at},1.00`));
  const folder = put('ledgers/a.csv', `id,amount\n${lines.join('\n')}\n999,1.00\n`);
  const yaml = `name: ledgers\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: ledgers\nschema:\n  columns:\n    id: int64\n    amount: decimal(18,2)\non_bad_row: quarantine\n`;
  const run = await runOnce(yaml);
  expect(run.rows_inserted).toBe(1);

  await page.goto('/ui/quarantine');
  const runs = page.getByRole('region', { name: 'Runs that rejected rows' });
  await expect(runs.getByRole('row', { name: /ledgers/ })).toContainText('131');
  await expectAccessible(page, 'the quarantine before a choice');
  await runs.getByRole('link', { name: 'ledgers' }).click();
  await expect(page).toHaveURL(new RegExp(`run=${run.id}`));
  await expect(page.getByText('50 of 131 shown')).toBeVisible();
  const reasons = page.getByRole('group', { name: 'Reasons' });
  await expect(reasons.getByRole('button', { name: 'wrong type in amount · 100' })).toBeVisible();

  const ids = reasons.getByRole('button', { name: 'wrong type in id · 31' });
  await ids.click();
  await expect(page.getByText('31 in all')).toBeVisible();
  const list = page.getByRole('region', { name: 'Rejected rows' });
  await expect(list.getByRole('row')).toHaveCount(32);
  await page.reload();
  await expect(page.getByText('31 in all')).toBeVisible();
  await expect(ids).toHaveAttribute('aria-pressed', 'true');
  await expectAccessible(page, 'the quarantine with a reason chosen');
  await page.getByLabel('Choose all rows shown').check();
  await expect(page.getByRole('button', { name: 'Replay 31' })).toBeEnabled();
  await page.getByLabel('Choose all rows shown').uncheck();
  await ids.click();
  await expect(page.getByText('50 of 131 shown')).toBeVisible();

  await page.getByLabel('Choose all rows shown').check();
  await expect(page.getByRole('button', { name: 'Replay 50' })).toBeEnabled();
  await expectAccessible(page, 'the quarantine with all rows shown chosen');
  await page.getByRole('button', { name: 'Choose every row of the run that matches' }).click();
  await page.getByRole('button', { name: 'Replay 131' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Replay' }).click();
  await expect(page).toHaveURL(/\/ui\/runs\//);
  const replay = page.url().split('/').at(-1) ?? '';
  await expect
    .poll(async () => (await call<{ rows_quarantined: number }>('GET', `/runs/${replay}`)).rows_quarantined)
    .toBe(131);
});

test('what a run loaded can be taken back', async ({ admin: page }) => {
  const folder = put('taken/a.csv', 'id\n1\n2\n3\n');
  const run = await runOnce(
    `name: taken\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: taken\n`,
  );
  expect(await rows('taken')).toBe(3);
  await page.goto(`/ui/runs/${run.id}`);
  const [csv] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Combined CSV' }).click(),
  ]);
  expect(
    readFileSync(await csv.path(), 'utf8')
      .trim()
      .split(/\r?\n/),
  ).toEqual(['id', '1', '2', '3']);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Undo the run' }).click();
  await expect(page).not.toHaveURL(new RegExp(run.id));
  await expect(
    page.getByRole('region', { name: 'State', exact: true }).getByText('Clean', { exact: true }).first(),
  ).toBeVisible();
  await expect.poll(() => rows('taken')).toBe(0);
});
