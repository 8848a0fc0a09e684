import { writeYaml } from './support/editor';
import { put } from './support/server';
import { rows } from './support/sql';
import { expect, expectAccessible, test } from './support/test';

test('a job that is run watches its sources from then on, until it is stopped', async ({ admin: page }) => {
  const folder = put('watched/a.csv', 'id\n1\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: watched\nsources:\n  - type: local\n    path: ${folder}\n    settle_seconds: 0\ntarget:\n  table: watched\n`,
  );
  await page.getByRole('button', { name: 'Run now' }).click();
  await expect(
    page.getByRole('region', { name: 'State', exact: true }).getByText('Clean', { exact: true }).first(),
  ).toBeVisible();
  expect(await rows('watched')).toBe(1);
  put('watched/b.csv', 'id\n2\n3\n');
  await expect.poll(() => rows('watched'), { timeout: 90_000 }).toBe(3);

  await page.getByRole('link', { name: 'Schedule', exact: true }).click();
  const list = page.getByRole('region', { name: 'Schedules' });
  const row = list.getByRole('row', { name: /watched/ });
  await expect(row).toContainText('Active');
  await row.getByRole('button', { name: 'Pause watched' }).click();
  await expect(row).toContainText('Paused');
  await row.getByRole('button', { name: 'Resume watched' }).click();
  await expect(row).toContainText('Active');
  await row.getByRole('link', { name: 'watched' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'watched' })).toBeVisible();
  await page.goto('/ui/runs?name=watched');
  await expect(page.getByRole('row', { name: /Changed source/ }).first()).toContainText('Clean');

  await page.goto('/ui/schedules');
  await row.getByRole('button', { name: 'Stop watched' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Stop the schedule' }).click();
  await expect(row).toContainText(/Stopp/);
  await page.reload();
  await expect(row).toBeHidden();
  await page.getByLabel('Show ended schedules').check();
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
  await dialog.getByLabel('Start', { exact: true }).fill('2030-01-01T08:00');
  await dialog.getByLabel('End', { exact: true }).fill('2029-01-01T08:00');
  await expect(dialog.getByRole('alert')).toContainText('must be after the start');
  await expect(dialog.getByRole('button', { name: 'Schedule' })).toBeDisabled();
  await dialog.getByLabel('End', { exact: true }).fill('2030-02-01T08:00');
  await dialog.getByLabel('Times', { exact: true }).selectOption('Every night at 02:00');
  await expect(dialog.getByLabel('Cron expression')).toHaveValue('0 2 * * *');
  await expect(dialog).toContainText('Every day at 02:00.');
  await dialog.getByLabel('Time zone of the expression').fill('America/New_York');
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

test.describe('a YAML with a schedule of its own', () => {
  const timed = (folder: string, name: string, more: string) =>
    `name: ${name}\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: ${name}\n${more}`;

  test('fills the dialog, and keeps what is not changed', async ({ admin: page }) => {
    const folder = put('timed/a.csv', 'id\n1\n');
    await page.goto('/ui/new-job');
    const more =
      'schedule:\n  cron: "*/15 * * * *"\n  timezone: America/New_York\n  overlap: queue\nmonitor:\n  enabled: false\nstart_time: 2030-01-01T07:00:00Z\n';
    await writeYaml(page, timed(folder, 'timed', more));
    await page.getByRole('button', { name: 'Schedule…' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByLabel('Cron expression')).toHaveValue('*/15 * * * *');
    await expect(dialog.getByLabel('Times', { exact: true }).locator('option:checked')).toHaveText(
      'Every 15 minutes',
    );
    await expect(dialog.getByLabel('Time zone of the expression')).toHaveValue('America/New_York');
    await expect(dialog.getByLabel('When the previous run is still running')).toHaveValue('queue');
    await expect(dialog.getByLabel('Also run when the sources change')).not.toBeChecked();
    await expect(dialog.getByLabel('Start', { exact: true })).toHaveValue('2030-01-01T08:00');
    await expect(dialog).toContainText('time zone of this browser, Europe/Berlin');
    await expectAccessible(page, 'the schedule of a YAML');
    const [request] = await Promise.all([
      page.waitForRequest((sent) => sent.method() === 'POST' && sent.url().endsWith('/schedules')),
      dialog.getByRole('button', { name: 'Schedule' }).click(),
    ]);
    expect(Object.keys(request.postDataJSON() as object)).toEqual(['config_id']);
    const row = page.getByRole('region', { name: 'Schedules' }).getByRole('row', { name: /timed/ });
    await expect(row).toContainText('Every 15 minutes.');
    await expect(row).not.toContainText('Checks for changed sources');
  });

  test('can be scheduled without its cron expression, and never without anything', async ({
    admin: page,
  }) => {
    const folder = put('untimed/a.csv', 'id\n1\n');
    await page.goto('/ui/new-job');
    await writeYaml(
      page,
      timed(folder, 'untimed', 'schedule:\n  cron: "0 6 * * MON-FRI"\nmonitor:\n  enabled: false\n'),
    );
    await page.getByRole('button', { name: 'Schedule…' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog).toContainText('Monday to Friday at 06:00.');
    await dialog.getByLabel('Times', { exact: true }).selectOption('At no fixed times');
    await expect(dialog.getByRole('alert')).toContainText('This schedule would never start a run');
    await expect(dialog.getByRole('button', { name: 'Schedule' })).toBeDisabled();
    await dialog.getByRole('button', { name: 'Use the values of the YAML' }).click();
    await expect(dialog.getByLabel('Cron expression')).toHaveValue('0 6 * * MON-FRI');
    await dialog.getByLabel('Times', { exact: true }).selectOption('At no fixed times');
    await dialog.getByLabel('Also run when the sources change').check();
    await dialog.getByRole('button', { name: 'Schedule' }).click();
    const row = page.getByRole('region', { name: 'Schedules' }).getByRole('row', { name: /untimed/ });
    await expect(row).toContainText('Checks for changed sources');
    await expect(row).not.toContainText('06:00');
  });

  test('says what follows a run', async ({ admin: page }) => {
    const folder = put('followed/a.csv', 'id\n1\n');
    await page.goto('/ui/new-job');
    await writeYaml(page, timed(folder, 'followed', 'monitor:\n  enabled: false\n'));
    await expect(page.getByText('Runs once, immediately.')).toBeVisible();
    await writeYaml(page, timed(folder, 'followed', ''));
    await expect(page.getByText('Runs immediately, then again whenever its sources change.')).toBeVisible();
    await writeYaml(
      page,
      timed(folder, 'followed', 'schedule:\n  cron: "0 * * * *"\nmonitor:\n  enabled: false\n'),
    );
    await expect(page.getByText('then at the times of its schedule (Every hour)')).toBeVisible();
  });
});
