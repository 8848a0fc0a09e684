import { call, runOnce, yamlForm } from './support/api';
import { writeYaml } from './support/editor';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

// A run that did not load everything never looks like one that did.

const SCHEMA = 'schema:\n  columns:\n    id: int64\n    amount: decimal(18,2)\non_bad_row: quarantine\n';

function yamlOf(name: string, folder: string, more = ''): string {
  return `name: ${name}\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: ${name}\n${more}`;
}

test('rejected rows and skipped files are counted wherever runs are listed', async ({ admin: page }) => {
  const folder = put('part/a.csv', 'id,amount\n1,1.00\nx,2.00\ny,3.00\n4,four\n5,5.00\n');
  put('part/notes.csv', Buffer.from([0x50, 0x4b, 3, 4, 0, 0, 0, 0]).toString('latin1'));
  const run = await runOnce(yamlOf('part_loaded', folder, SCHEMA));
  expect(run.state).toBe('succeeded');

  await page.goto('/ui/runs?name=part_loaded');
  const row = page.getByRole('row', { name: /part_loaded/ });
  await expect(row).toContainText('With warnings');
  await expect(row).toContainText('3 rows rejected');
  await expect(row).toContainText('1 file skipped');
  await expect(row).not.toContainText(/Succeeded|Clean/);

  await page.goto('/ui/admin');
  await expect(
    page.getByRole('region', { name: 'Latest runs' }).getByRole('row', { name: /part_loaded/ }),
  ).toContainText('3 rows rejected');
  await expect(page.getByRole('link', { name: /Incomplete/ })).toContainText(/[1-9]/);

  await page.goto(`/ui/runs/${run.id}`);
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state.getByText('With warnings').first()).toBeVisible();
  await expect(state.getByText(/^(Succeeded|Clean)$/)).toHaveCount(0);
  const said = page.getByRole('main').getByRole('alert');
  await expect(said).toContainText(
    '3 of 5 rows were rejected: wrong type in id: 2 rows; wrong type in amount: 1 row',
  );
  await expect(said).toContainText('notes.csv');
  await expectAccessible(page, 'a run with warnings');
  await page.getByRole('link', { name: 'Show the rejected rows' }).click();
  await expect(page.getByRole('region', { name: 'Rejected rows' }).getByRole('row')).toHaveCount(4);

  await page.goto('/ui/runs');
  await page.getByLabel('Outcome').selectOption('With warnings');
  await expect(page.getByRole('row', { name: /part_loaded/ })).toBeVisible();
});

test('a run that could load none of its data is not green', async ({ admin: page }) => {
  const folder = put('none/a.pdf', 'no table at all');
  const run = await runOnce(yamlOf('none_loaded', folder));
  if (run.state === 'succeeded') {
    await page.goto(`/ui/runs/${run.id}`);
    await expect(
      page.getByRole('region', { name: 'State', exact: true }).getByText('Nothing loaded').first(),
    ).toBeVisible();
    await expect(page.getByRole('main').getByRole('alert')).toContainText(
      'None of the data could be loaded.',
    );
    await expect(page.getByRole('main').getByRole('alert')).toContainText('a.pdf');
  }
  await page.goto('/ui/runs?name=none_loaded');
  await expect(page.getByRole('row', { name: /none_loaded/ })).toContainText(/Nothing loaded|Failed/);
});

test('a connection test ends with what it found', async ({ admin: page }) => {
  await page.goto('/ui/new-job');
  await writeYaml(page, yamlOf('half_tested', '/nowhere/at/all'));
  await page.getByRole('button', { name: 'Test the connections' }).click();
  const result = page.getByRole('region', { name: 'Result' });
  await expect(result.getByText('With warnings')).toBeVisible();
  await expect(result).toContainText('1 of 2 connections cannot be used');
  await expect(result.getByText(/^(Succeeded|Clean)$/)).toHaveCount(0);
  await page.getByRole('link', { name: 'Open as a run' }).click();
  const steps = page.getByRole('list', { name: 'Progress' });
  await expect(steps.getByRole('listitem').last()).toContainText('With warnings');
});

test('a replay that is rejected again says that nothing was loaded', async ({ admin: page }) => {
  const folder = put('again/a.csv', 'id,amount\n1,1.00\nx,2.00\ny,3.00\n');
  const run = await runOnce(yamlOf('rejected_again', folder, SCHEMA));
  await page.goto(`/ui/quarantine?run=${run.id}`);
  await expect(page.getByRole('checkbox', { name: /line \d+$/ })).toHaveCount(2);
  await page.getByLabel('Choose all rows shown').check();
  await page.getByRole('button', { name: 'Replay 2' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Replay' }).click();
  await expect(page).toHaveURL(/\/ui\/runs\//);
  await expect(
    page.getByRole('region', { name: 'State', exact: true }).getByText('Nothing loaded').first(),
  ).toBeVisible();
});

test('a plan that rejects rows shows them, and does not lead to an empty quarantine', async ({
  admin: page,
}) => {
  const folder = put('foreseen/a.csv', 'id,amount\n1,1.00\nx,2.00\n');
  await page.goto('/ui/new-job');
  await writeYaml(page, yamlOf('foreseen', folder, SCHEMA));
  await page.getByRole('button', { name: /^Plan/ }).click();
  const result = page.getByRole('region', { name: 'Result', exact: true });
  await expect(result).toContainText('1 of 2 rows would be rejected');
  await expect(result.getByRole('region', { name: 'First rejections' })).toContainText('a.csv:3');
  await expect(result.getByRole('link', { name: /quarantine/i })).toHaveCount(0);
});

test('a run that fails for its rows leads to them', async ({ admin: page }) => {
  const rows = Array.from({ length: 1000 }, (_, at) => `${at + 1},${at < 131 ? 'twelve' : '12.50'}`);
  const folder = put('broken/a.csv', `id,amount\n${rows.join('\n')}\n`);
  const limit = SCHEMA.replace('on_bad_row', '  max_rejected: {percent: 5}\non_bad_row');
  const run = await runOnce(yamlOf('broken_contract', folder, limit));
  expect(run.state).toBe('failed');
  await page.goto(`/ui/runs/${run.id}`);
  await expect(page.getByRole('region', { name: 'State', exact: true }).getByRole('alert')).toContainText(
    '131 of 1000 rows',
  );
  await page.getByRole('link', { name: 'Result' }).click();
  await expect(page.getByText('No report yet')).toHaveCount(0);
  await expect(page.getByText(/The run failed while rows were loaded/)).toBeVisible();
  const rejected = page.getByRole('region', { name: 'Rejections', exact: true });
  await expect(rejected).toContainText('the first 20 of 131');
  await expect(rejected).toContainText('wrong type in amount: 131 rows');
  await expect(rejected.getByRole('row', { name: /a\.csv:2 amount/ })).toContainText('twelve');
  await expectAccessible(page, 'a failed run with rejected rows');
  await page.getByRole('link', { name: 'Columns', exact: true }).click();
  await expect(page.getByText('No columns yet')).toHaveCount(0);
});

test('a target that never answered is shown as the cause, not the sources, and its error is shown once', async ({
  admin: page,
}) => {
  const folder = put('unreached/a.csv', 'id\n1\n');
  const target =
    'target:\n  host: 127.0.0.1\n  port: 9\n  database: x\n  user: y\n  password: z\n  table: unreached\n';
  const retry = 'retry:\n  max_attempts: 2\n  initial_seconds: 0\n  max_seconds: 0\n';
  const yaml = `name: unreached\nsources:\n  - type: local\n    path: ${folder}\n${target}${retry}`;
  const { id } = await call<{ id: number }>('POST', '/upload-config', yamlForm(yaml));
  const { id: run } = await call<{ id: string }>('POST', '/runs', { config_id: id });
  await page.goto(`/ui/runs/${run}`);
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state.getByText('Failed').first()).toBeVisible({ timeout: 120_000 });
  const steps = state.getByRole('list', { name: 'Progress' });
  await expect(steps.locator('li.failed').first()).toContainText('Connect to the target');
  await expect(steps.getByRole('listitem').filter({ hasText: 'Extract' })).not.toHaveClass(/failed|done/);
  const said = (await state.getByRole('alert').innerText()).match(/refused|could not connect/gi) ?? [];
  expect(said.length).toBeLessThanOrEqual(2);
  await page.getByRole('link', { name: /^Attempts/ }).click();
  const starts = page.getByRole('region', { name: 'Attempts' }).getByRole('row');
  await expect(starts.nth(1)).toBeVisible();
  const all = (await starts.count()) - 1;
  await expect(
    page.getByText(new RegExp(`${all} attempts?, of which 2 count towards the limit of 2`)),
  ).toBeVisible();
  await expect(page.getByRole('link', { name: /^Attempts/ })).toContainText(String(all));
});
