import { call, runOnce } from './support/api';
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

test('the page of a pipeline shows each check over its runs, with the numbers of their reports', async ({
  admin: page,
}) => {
  const folder = put('charted/a.csv', 'id,amount\n1,5\n');
  const yaml = (checks: string): string => yamlOf(folder, checks).replaceAll('checked', 'charted');
  const runs = [await runOnce(yaml(STRICT))];
  put('charted/b.csv', 'id,amount\n2,8\n2,-9\n');
  runs.push(await runOnce(yaml(STRICT)));
  runs.push(await runOnce(yaml('  - unique: [id]\n    on_fail: warn\n  - not_null: [id]\n')));
  expect(runs.map((run) => run.state)).toEqual(['succeeded', 'failed', 'succeeded']);

  // What the reports of the runs say, the oldest run first.
  interface Reported {
    report: { checks?: { name: string; state: string; rows: number }[] };
  }
  const { data } = await call<{ data: Reported[] }>('GET', '/runs?name=charted');
  const reported = (name: string): string[] =>
    data.toReversed().map(({ report }) => {
      const check = report.checks?.find((one) => one.name === name);
      if (check === undefined) return 'Not run';
      const word = check.state.replace(/^./, (first) => first.toUpperCase());
      return check.state === 'passed' ? word : `${word}, ${check.rows} row${check.rows === 1 ? '' : 's'}`;
    });

  await page.goto('/ui/pipelines/charted?tab=checks');
  const strips = page.getByRole('region', { name: 'Results by run' });
  for (const name of ['unique(id)', 'range(amount)', 'not_null(id)']) {
    const strip = strips.getByRole('row', { name: new RegExp(`^${name.replace(/[()]/g, '.')}`) });
    await expect(strip.getByRole('link')).toHaveCount(data.length);
    const said = await strip
      .getByRole('link')
      .evaluateAll((links) => links.map((link) => link.ariaLabel ?? ''));
    expect(said.map((words) => words.split(': ')[0])).toEqual(reported(name));
  }
  await expect(strips.getByRole('row', { name: /^unique/ })).toContainText('1 passed, 1 warned, 1 failed');
  await expect(strips.getByRole('row', { name: /^range/ })).toContainText('1 passed, 1 failed, 1 not run');
  await expectAccessible(page, 'the checks of a pipeline');
  await strips
    .getByRole('row', { name: /^range/ })
    .getByRole('link', { name: /^Failed/ })
    .click();
  await expect(page).toHaveURL(new RegExp(`/ui/runs/${runs[1]?.id}$`));
});
