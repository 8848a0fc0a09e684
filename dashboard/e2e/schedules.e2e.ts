import { writeYaml } from './support/editor';
import { put } from './support/server';
import { rows } from './support/sql';
import { expect, test } from './support/test';

test('a job that is run watches its sources from then on, until it is stopped', async ({ admin: page }) => {
  const folder = put('watched/a.csv', 'id\n1\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: watched\nsources:\n  - type: local\n    path: ${folder}\n    settle_seconds: 0\ntarget:\n  table: watched\n`,
  );
  await page.getByRole('button', { name: 'Run now' }).click();
  await expect(page.getByRole('region', { name: 'State' }).getByText('Succeeded')).toBeVisible();
  expect(await rows('watched')).toBe(1);
  put('watched/b.csv', 'id\n2\n3\n');
  await expect.poll(() => rows('watched'), { timeout: 30_000 }).toBe(3);

  await page.getByRole('link', { name: 'Schedule', exact: true }).click();
  const list = page.getByRole('region', { name: 'Schedules' });
  const row = list.getByRole('row', { name: /watched/ });
  await expect(row).toContainText('Active');
  await row.getByRole('button', { name: 'Pause watched' }).click();
  await expect(row).toContainText('Paused');
  await row.getByRole('button', { name: 'Resume watched' }).click();
  await expect(row).toContainText('Active');
  await row.getByRole('link', { name: 'watched' }).click();
  await expect(page.getByRole('row', { name: /Changed source/ }).first()).toContainText('Succeeded');

  await page.goto('/ui/schedules');
  await row.getByRole('button', { name: 'Stop watched' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Stop the schedule' }).click();
  await expect(row).toContainText(/Stopp/);
  await page.reload();
  await expect(row).toBeHidden();
  await page.getByLabel('Show ended ones').check();
  await expect(list.getByRole('row', { name: /watched/ }).first()).toContainText('Stopped');
});

test('a job is scheduled by cron in a zone, inside a window', async ({ admin: page }) => {
  const folder = put('nightly/a.csv', 'id\n1\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: nightly\nsources:\n  - type: local\n    path: ${folder}\n    settle_seconds: 0\ntarget:\n  table: nightly\n`,
  );
  await page.getByRole('button', { name: 'Schedule…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Not before').fill('2030-01-01T08:00');
  await dialog.getByLabel('Ends').fill('2029-01-01T08:00');
  await expect(dialog.getByRole('alert')).toContainText('end before it begins');
  await expect(dialog.getByRole('button', { name: 'Schedule' })).toBeDisabled();
  await dialog.getByLabel('Ends').fill('2030-02-01T08:00');
  await dialog.getByLabel('Runs').selectOption('Every night at 02:00');
  await expect(dialog.getByLabel('Cron expression')).toHaveValue('0 2 * * *');
  await expect(dialog).toContainText('Every day at 02:00.');
  await dialog.getByLabel('Read in the zone').fill('America/New_York');
  await dialog.getByLabel('Also run when the sources change').uncheck();
  await dialog.getByRole('button', { name: 'Schedule' }).click();
  await expect(page).toHaveURL(/\/ui\/schedules\?name=nightly$/);
  const row = page.getByRole('region', { name: 'Schedules' }).getByRole('row', { name: /nightly/ });
  await expect(row).toContainText('Waiting');
  await expect(row).toContainText('Every day at 02:00.');
  await row.getByText('Next 10').click();
  // 02:00 in New York, as its people read it, and in Berlin, where this browser is.
  await expect(row).toContainText('02:00 EST');
  await expect(row).toContainText('08:00:00');
  await expect(page.getByRole('region', { name: 'Time axis' })).toContainText('nightly');
});
