import { runOnce } from './support/api';
import { put } from './support/server';
import { rows, sql } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

// What a check found is on the page of its run, whether it let the rows in or not.

function yamlOf(folder: string, checks: string): string {
  return `name: checked\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: checked\nchecks:\n${checks}`;
}

const STRICT = '  - unique: [id]\n  - range: {column: amount, min: 0}\n  - not_null: [id]\n';

test('the page of a run shows its checks, and the table has what they let in', async ({ admin: page }) => {
  const folder = put('checked/a.csv', 'id,amount\n1,5\n2,7\n');
  const first = await runOnce(yamlOf(folder, STRICT));
  expect(first.state).toBe('succeeded');
  await page.goto(`/ui/runs/${first.id}`);
  const checks = page.getByRole('region', { name: 'Checks', exact: true });
  await expect(checks).toContainText('3 of 3 passed');

  put('checked/b.csv', 'id,amount\n3,8\n3,9\n4,-1\n');
  const failed = await runOnce(yamlOf(folder, STRICT));
  expect(failed.state).toBe('failed');
  expect(await rows('checked')).toBe(2);
  await page.goto(`/ui/runs/${failed.id}`);
  await expect(checks).toContainText('1 of 3 passed');
  const repeated = checks.getByRole('row', { name: /unique\(id\)/ });
  await expect(repeated).toContainText('Failed');
  await expect(repeated.getByRole('cell').nth(1)).toHaveText('2');
  await repeated.getByText('2 sample rows').click();
  await expect(repeated).toContainText('b.csv:2 id: 3 · amount: 8');
  await expect(page.getByRole('list', { name: 'Progress' })).toContainText('Check');
  await expect(page.getByText('The run failed while its checks were tried')).toBeVisible();
  await expectAccessible(page, 'a run that a check failed');

  const mild = STRICT.replace('[id]\n', '[id]\n    on_fail: warn\n').replace(
    'min: 0}',
    'min: 0}\n    on_fail: quarantine',
  );
  const warned = await runOnce(yamlOf(folder, mild));
  expect(warned.state).toBe('succeeded');
  await page.goto(`/ui/runs/${warned.id}`);
  const [repeatedRows] = await sql(
    'select count(*) as n from checked where id in (select id from checked group by id having count(*) > 1)',
  );
  await expect(repeated).toContainText('Warned');
  await expect(repeated.getByRole('cell').nth(1)).toHaveText(repeatedRows?.['n'] ?? '');
  const aside = checks.getByRole('row', { name: /range\(amount\)/ });
  await expect(aside).toContainText('Quarantined');
  await expect(aside.getByRole('cell').nth(1)).toHaveText(
    String(await rows(`_elt_quarantine where run_id = '${warned.id}'`)),
  );
});
