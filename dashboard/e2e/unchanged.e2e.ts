import { runOnce } from './support/api';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

test('a run that finds nothing changed says so and leads to the run that read the files', async ({
  admin: page,
}) => {
  const folder = put('unchanged/a.csv', 'id,name\n1,Ada\n2,Grace\n');
  const yaml = `name: unchanged\nsources:\n  - type: local\n    path: ${folder}\n    settle_seconds: 0\ntarget:\n  table: unchanged\n`;
  const first = await runOnce(yaml);
  const again = await runOnce(yaml);
  await page.goto(`/ui/runs/${again.id}`);
  await expect(page.getByText('No row was read again.')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Rows' })).toContainText(/Duplicate\s*2/);
  await expectAccessible(page, 'a run that finds nothing changed');
  await page.getByRole('link', { name: 'the run that last read these files' }).click();
  await expect(page).toHaveURL(new RegExp(`/ui/runs/${first.id}`));
  await expect(page.getByText('No row was read again.')).toBeHidden();

  put('unchanged/a.csv', 'id,name\n1,Ada\n2,Edsger\n');
  const changed = await runOnce(yaml);
  expect(changed.rows_inserted).toBe(1);
  await page.goto(`/ui/runs/${changed.id}`);
  await expect(page.getByRole('region', { name: 'Rows' })).toContainText(/New\s*1/);
  await expect(page.getByText('No row was read again.')).toBeHidden();
});
