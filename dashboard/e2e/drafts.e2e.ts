import { writeYaml } from './support/editor';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

const editor = 'YAML of the job';

test('text of a new job is still there after another page, and after a reload', async ({ admin: page }) => {
  await page.goto('/ui/new-job');
  await writeYaml(page, 'name: half_done\nsources:\n');
  await page.getByRole('link', { name: 'Schedules' }).click();
  await expect(page.getByRole('heading', { name: 'Schedules' })).toBeVisible();
  await page.getByRole('link', { name: 'New job' }).first().click();
  await expect(page.getByRole('textbox', { name: editor })).toContainText('half_done');
  await expect(page.getByText('This is your draft from an earlier visit')).toBeVisible();
  await expectAccessible(page, 'a draft');
  await page.reload();
  await expect(page.getByRole('textbox', { name: editor })).toContainText('half_done');

  await page.getByRole('button', { name: 'Discard the draft' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Discard it' }).click();
  await expect(page.getByRole('textbox', { name: editor })).not.toContainText('half_done');
  await page.reload();
  await expect(page.getByRole('button', { name: 'Choose a YAML file' })).toBeVisible();
});

test('a template or a file replaces text only after a confirmation', async ({ admin: page }) => {
  await page.goto('/ui/new-job');
  await writeYaml(page, 'name: mine\n');
  await page.getByRole('button', { name: 'Start from…' }).click();
  await page.getByRole('menuitem', { name: 'An HTTP API' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('textbox', { name: editor })).toContainText('name: mine');
  await page.getByRole('button', { name: 'Start from…' }).click();
  await page.getByRole('menuitem', { name: 'An HTTP API' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Replace it' }).click();
  await expect(page.getByRole('textbox', { name: editor })).toContainText('api.example.com');
  // An unchanged template is replaced without a confirmation.
  await page.getByRole('button', { name: 'Start from…' }).click();
  await page.getByRole('menuitem', { name: 'An SFTP server' }).click();
  await expect(page.getByRole('textbox', { name: editor })).toContainText('sftp.example.com');
});

test('an earlier version replaces a draft only after a confirmation', async ({ admin: page }) => {
  const folder = put('edited/a.csv', 'id\n1\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: edited\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: edited\n`,
  );
  await page.getByRole('button', { name: 'Save without running' }).click();
  await expect(page.getByText(/Saved as version/)).toBeVisible();
  await writeYaml(page, 'name: newer_text\n');
  await page.getByRole('link', { name: 'Configs' }).click();
  await page
    .getByRole('link', { name: /^View version/ })
    .first()
    .click();
  await page.getByRole('link', { name: 'Edit as new' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('textbox', { name: editor })).toContainText('newer_text');
});

test('a logout deletes the draft', async ({ admin: page }) => {
  await page.goto('/ui/new-job');
  await writeYaml(page, 'target:\n  password: very-secret\n');
  await expect.poll(() => page.evaluate(() => JSON.stringify(sessionStorage))).toContain('very-secret');
  await expect(page.getByText('Not runnable yet')).toBeVisible();
  await page.getByRole('button', { name: /admin/ }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await expect(page.getByText('You are logged out.')).toBeVisible();
  const kept = await page.evaluate(() => JSON.stringify(sessionStorage) + JSON.stringify(localStorage));
  expect(kept).not.toContain('very-secret');
});

test('a job that was run leaves no draft', async ({ admin: page }) => {
  const folder = put('drafted/a.csv', 'id\n1\n');
  await page.goto('/ui/new-job');
  await writeYaml(
    page,
    `name: drafted\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: drafted\nmonitor:\n  enabled: false\n`,
  );
  await page.getByRole('button', { name: 'Run now' }).click();
  await expect(page.getByRole('region', { name: 'State', exact: true })).toBeVisible();
  await page.getByRole('link', { name: 'New job' }).first().click();
  await expect(page.getByRole('button', { name: 'Choose a YAML file' })).toBeVisible();
});

test('what was typed into a dialog is not lost by a click beside it, and Escape asks first', async ({
  admin: page,
}) => {
  await page.goto('/ui/users');
  const add = page.getByRole('button', { name: 'Add a user' });
  const dialog = page.getByRole('dialog', { name: 'Add a user' });
  await add.click();
  await expect(dialog).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);

  await add.click();
  await dialog.getByLabel('Name').fill('half typed');
  await page.mouse.click(5, 5);
  await expect(dialog.getByLabel('Name')).toHaveValue('half typed');
  await page.keyboard.press('Escape');
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('Discard what you typed?');
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(question).toHaveCount(0);
  await expect(dialog.getByLabel('Name')).toHaveValue('half typed');
  await page.keyboard.press('Escape');
  await question.getByRole('button', { name: 'Discard' }).click();
  await expect(dialog).toHaveCount(0);
});
