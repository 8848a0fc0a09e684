import { call, yamlForm } from './support/api';
import { expect, expectAccessible, test } from './support/test';

const OLD = `name: kept\n# ${'é'.repeat(120)}\nsources:\n  - type: local\n    path: ./nowhere\ntarget:\n  host: db.example\n  database: shop\n  user: ann\n  password: hunter2-canary\n  table: kept\n`;
const NEW = OLD.replace('./nowhere', './elsewhere');

let before: number;
let after: number;

test.beforeAll(async () => {
  before = (await call<{ id: number }>('POST', '/upload-config', yamlForm(OLD))).id;
  after = (await call<{ id: number }>('POST', '/upload-config', yamlForm(NEW))).id;
});

test('the history shows ID, Version, Timestamp and the first 100 characters, secrets masked', async ({
  admin: page,
}) => {
  await page.goto('/ui/config-history');
  for (const name of ['ID', 'Version', 'Timestamp', 'Preview']) {
    await expect(page.getByRole('columnheader', { name, exact: true })).toBeVisible();
  }
  const row = page.getByRole('row', { name: new RegExp(`^Compare version \\d+ ${before} `) });
  const preview = row.locator('code');
  expect(await preview.textContent()).toBe([...OLD].slice(0, 100).join(''));
  await expect(row.getByRole('cell').nth(3)).toHaveText(/^\s*\d{4}-\d\d-\d\d \d\d:\d\d\s*$/);
  expect(await page.content()).not.toContain('hunter2-canary');
});

test('View shows the full YAML exactly as it was uploaded', async ({ admin: page }) => {
  await page.goto('/ui/config-history');
  await page
    .getByRole('row', { name: new RegExp(`^Compare version \\d+ ${before} `) })
    .getByRole('link', { name: /^View/ })
    .click();
  await expect(page).toHaveURL(new RegExp(`/ui/config-history/${before}$`));
  await expect(page.locator('.cm-content')).toContainText('hunter2-canary');
  const shown = await page.locator('.cm-line').allTextContents();
  expect(shown.join('\n')).toBe(OLD);
});

test('two versions are compared side by side, secrets masked', async ({ admin: page }) => {
  await page.goto('/ui/config-history');
  await page
    .getByLabel(/^Compare version/)
    .nth(0)
    .check();
  await page
    .getByLabel(/^Compare version/)
    .nth(1)
    .check();
  await page.getByRole('button', { name: 'Compare the two' }).click();
  await expect(page).toHaveURL(new RegExp(`from=${before}&to=${after}`));
  await expect(page.locator('.cm-changedLine').first()).toContainText('./nowhere');
  await expect(page.locator('.cm-changedLine').last()).toContainText('./elsewhere');
  expect(await page.content()).not.toContain('hunter2-canary');
});

test.describe('deleting a version', () => {
  test.use({ expected: /409/ });

  test('asks first, says why the newest version stays, and keeps the place in the list', async ({
    admin: page,
  }) => {
    await page.goto('/ui/config-history');
    const row = (id: number) => page.getByRole('row', { name: new RegExp(`^Compare version \\d+ ${id} `) });
    const ask = page.getByRole('alertdialog');
    await row(after)
      .getByRole('button', { name: /^Delete version/ })
      .click();
    await ask.getByRole('button', { name: 'Delete it' }).click();
    await expect(ask.getByRole('alert')).toContainText('it is the newest one of its pipeline');
    await expect(ask.getByRole('button', { name: 'Delete it' })).toBeHidden();
    await expect(ask.getByRole('button', { name: 'Close' })).toBeFocused();
    await expectAccessible(page, 'a refused deletion');
    await page.screenshot({ path: test.info().outputPath('refused.png') });
    await ask.getByRole('button', { name: 'Close' }).click();
    await expect(row(after).getByRole('button', { name: /^Delete version/ })).toBeFocused();

    await row(before)
      .getByRole('button', { name: /^Delete version/ })
      .click();
    await ask.getByRole('button', { name: 'Cancel' }).click();
    await expect(row(before)).toBeVisible();
    await row(before)
      .getByRole('button', { name: /^Delete version/ })
      .click();
    await page.screenshot({ path: test.info().outputPath('asked.png') });
    await ask.getByRole('button', { name: 'Delete it' }).click();
    await expect(row(before)).toBeHidden();
    await expect(page.getByRole('region', { name: 'Versions' })).toBeFocused();
    await page.reload();
    await expect(row(after)).toBeVisible();
    await expect(row(before)).toBeHidden();
  });

  test('from its own page leads back to the list', async ({ admin: page }) => {
    const yaml = (path: string) => OLD.replace('name: kept', 'name: dropped').replace('./nowhere', path);
    const { id } = await call<{ id: number }>('POST', '/upload-config', yamlForm(yaml('./one')));
    await call('POST', '/upload-config', yamlForm(yaml('./two')));
    await page.goto(`/ui/config-history/${id}`);
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await expect(page.getByRole('alertdialog')).toContainText(/Delete version \d+ of dropped\?/);
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete it' }).click();
    await expect(page).toHaveURL(/\/ui\/config-history$/);
    await expect(page.getByText(/Version \d+ of dropped was deleted/)).toBeVisible();
  });
});

test('an address that names no two versions leads to where they are chosen', async ({ admin: page }) => {
  await page.goto('/ui/config-history/compare?from=1');
  await page.getByRole('link', { name: 'Choose them in the list of configs' }).click();
  await expect(page).toHaveURL(/\/ui\/config-history$/);
});

test('an analyst uploads a config, and the same one again is known', async ({ analyst: page }) => {
  await page.goto('/ui/upload-config');
  const upload = async (yaml: string, name = 'mine.yaml') => {
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Choose a YAML file' }).click();
    await (await chooser).setFiles({ name, mimeType: 'application/yaml', buffer: Buffer.from(yaml) });
  };
  const yaml = `name: mine\nsource:\n  local:\n    path: mock.csv\n`;
  await upload(yaml);
  await expect(page.getByText('was stored as version')).toBeVisible();
  await expect(page.getByText('It cannot run yet')).toBeVisible();
  await expect(page.getByText('source', { exact: false }).first()).toBeVisible();
  await upload(yaml.replaceAll('\n', '\r\n') + '\r\n');
  await expect(page.getByText('is already stored as version')).toBeVisible();
  await upload('x', 'picture.png');
  await expect(page.getByRole('alert')).toContainText('picture.png is not a YAML file');
});

test.describe('a broken YAML', () => {
  test.use({ expected: /400/ });

  test('is refused with the place of the mistake', async ({ analyst: page }) => {
    await page.goto('/ui/upload-config');
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Choose a YAML file' }).click();
    const buffer = Buffer.from('{ this: [invalid: yaml');
    await (await chooser).setFiles({ name: 'broken.yaml', mimeType: 'application/yaml', buffer });
    await expect(page.getByRole('alert')).toContainText('Invalid YAML');
    await expect(page.getByRole('alert')).toContainText(/line \d+, column \d+: /);
  });
});
