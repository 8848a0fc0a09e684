import { call, yamlForm } from './support/api';
import { expect, expectAccessible, test } from './support/test';

const VALUE = 'canary of the secrets story';
const CHANGED = 'another canary of the story';

interface Stored {
  name: string;
  pipelines: string[];
  used_by: string[];
  version: number;
}

async function stored(name: string): Promise<Stored | undefined> {
  const page = await call<{ data: Stored[] }>('GET', '/secrets?limit=250');
  return page.data.find((secret) => secret.name === name);
}

test('a secret is stored, granted, changed and deleted, and its value is never shown', async ({
  admin: page,
}) => {
  await page.goto('/ui/secrets');
  await expect(page.getByText('No secrets yet')).toBeVisible();
  await page.getByRole('button', { name: 'Add a secret' }).click();
  const dialog = page.getByRole('dialog');
  const save = dialog.getByRole('button', { name: 'Save' });
  await dialog.getByLabel('Name', { exact: true }).fill('two words');
  await expect(dialog.getByRole('alert')).toContainText('A name has up to 64');
  await dialog.getByLabel('Name', { exact: true }).fill('shop.password');
  await expect(dialog).toContainText('${secret:shop.password}');
  await dialog.getByLabel('Value').fill('abc');
  await expect(save).toBeDisabled();
  await dialog.getByLabel('Value').fill(VALUE);
  await dialog.getByLabel('Description').fill('The shop database');
  await dialog.getByLabel('Name of a pipeline').fill('secret-story');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog.getByRole('listitem')).toHaveText('secret-story');
  await expect(dialog.getByLabel('Name of a pipeline')).toBeFocused();
  await expectAccessible(page, 'the dialog of a secret');
  await save.click();

  const row = page.getByRole('row', { name: /^shop\.password/ });
  await expect(row).toContainText('The shop database');
  await expect(row).toContainText('secret-story');
  await expect(row).toContainText('by admin');
  await expectAccessible(page, 'secrets');
  expect(await page.content()).not.toContain(VALUE);

  await page.getByRole('button', { name: 'Add a secret' }).click();
  await dialog.getByLabel('Name', { exact: true }).fill('shop.password');
  await expect(dialog.getByRole('alert')).toContainText('A secret with this name exists');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText('undefined')).toHaveCount(0);

  await row.getByRole('button', { name: 'Change shop.password' }).click();
  await expect(dialog.getByLabel('New value')).toHaveValue('');
  await dialog.getByRole('button', { name: 'Remove secret-story' }).click();
  await dialog.getByLabel('All pipelines').check();
  await save.click();
  await expect(row).toContainText('all');
  expect(await stored('shop.password')).toMatchObject({ pipelines: ['*'], version: 1 });
  await row.getByRole('button', { name: 'Change shop.password' }).click();
  await dialog.getByLabel('New value').fill(CHANGED);
  await save.click();
  await expect(dialog).toBeHidden();
  expect(await stored('shop.password')).toMatchObject({ version: 2 });
  expect(await page.content()).not.toContain(CHANGED);
});

test.describe('deleting a secret', () => {
  test.use({ expected: /409/ });

  test('names the pipelines that use it, also when the list is out of date', async ({ admin: page }) => {
    await call('PUT', '/secrets/late.token', { value: VALUE, pipelines: ['late-story'] });
    await page.goto('/ui/secrets');
    const row = page.getByRole('row', { name: /^late\.token/ });
    await row.getByRole('button', { name: 'Delete late.token' }).click();
    const ask = page.getByRole('alertdialog');
    await expect(ask).toContainText('No pipeline uses this secret');
    const yaml = `name: late-story\nsources:\n  - type: api\n    url: https://api.example.com/late\n    auth_token: \${secret:late.token}\ntarget:\n  table: late\n`;
    await call('POST', '/upload-config', yamlForm(yaml));
    await ask.getByRole('button', { name: 'Delete it' }).click();
    await expect(ask.getByRole('alert')).toContainText('late-story');
    await expect(ask.getByRole('button', { name: 'Delete anyway' })).toBeFocused();
    await expectAccessible(page, 'a secret that is in use');
    await ask.getByRole('button', { name: 'Cancel' }).click();
    expect(await stored('late.token')).toMatchObject({ used_by: ['late-story'] });

    await page.reload();
    await row.getByRole('button', { name: 'Delete late.token' }).click();
    await expect(ask.getByRole('listitem')).toHaveText('late-story');
    await ask.getByRole('button', { name: 'Delete anyway' }).click();
    await expect(row).toBeHidden();
    expect(await stored('late.token')).toBeUndefined();
  });
});
