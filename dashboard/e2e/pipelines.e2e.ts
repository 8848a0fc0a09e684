import { call, runOnce, yamlForm } from './support/api';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

const OTHERS = 256;

function yamlOf(name: string, folder: string, note = ''): string {
  return `# ${note}\nname: ${name}\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: lakes\n`;
}

let lakes: number;

test.beforeAll(async () => {
  test.setTimeout(240_000);
  const folder = put('lakes/a.csv', 'id,lake\n1,Müggelsee\n');
  lakes = (await runOnce(yamlOf('zz lakes', folder))).config_id;
  // More versions of one pipeline, and more pipelines, than any list holds.
  for (let at = 0; at < OTHERS; at++) {
    await call('POST', '/upload-config', yamlForm(yamlOf('busy', folder, `note ${at}`)));
    await call('POST', '/upload-config', yamlForm(yamlOf(`many ${at}`, folder)));
  }
});

test('a pipeline is found among many, on every page that lets one choose it', async ({ admin: page }) => {
  for (const [path, label] of [
    ['data-view', 'Known target'],
    ['quarantine', 'Table of the pipeline'],
  ] as const) {
    await page.goto(`/ui/${path}`);
    const list = page.getByLabel(label, { exact: true });
    await expect(page.getByText('The first 250 by name. Search to find the others.')).toBeVisible();
    await expect(list.getByRole('option', { name: /^busy\b/ })).toHaveCount(1);
    await expect(list.getByRole('option', { name: /^zz lakes/ })).toHaveCount(0);
    await expectAccessible(page, `${path} with many pipelines`);
    await page.getByLabel('Search all pipelines').fill('LAKES');
    await expect(list.getByRole('option', { name: /^busy\b/ })).toHaveCount(0);
    await list.selectOption(String(lakes));
    await expect(page).toHaveURL(new RegExp(`config=${lakes}$`));
    // The choice stays visible when the search leaves it out, and after a reload.
    await page.getByLabel('Search all pipelines').fill('busy');
    await expect(list.getByRole('option', { name: /^busy\b/ })).toHaveCount(1);
    await expect(list.locator('option:checked')).toHaveText(/^zz lakes/);
    await page.reload();
    await expect(list.locator('option:checked')).toHaveText(/^zz lakes/);
    await page.getByLabel('Search all pipelines').fill('no such name');
    await expect(page.getByText('No pipeline name contains this text.')).toBeVisible();
  }
  await page.goto(`/ui/data-view?config=${lakes}`);
  await expect(page.getByRole('cell', { name: 'Müggelsee' })).toBeVisible();
});

test('the runs suggest every pipeline by a part of its name', async ({ admin: page }) => {
  await page.goto('/ui/runs');
  const box = page.getByLabel('Pipeline', { exact: true });
  await box.pressSequentially('lakes');
  await expect(page.locator('datalist option[value="zz lakes"]')).toHaveCount(1);
  await box.fill('zz lakes');
  await box.press('Enter');
  await expect(page.getByRole('link', { name: 'zz lakes' }).first()).toBeVisible();
  await expect(page.getByRole('row')).toHaveCount(
    1 + (await page.getByRole('link', { name: 'zz lakes' }).count()),
  );
});

test('runs are found by a part of the name and by day, and no number counts others', async ({
  admin: page,
}) => {
  await page.goto('/ui/runs');
  const box = page.getByLabel('Pipeline', { exact: true });
  await box.fill('LAKE');
  await box.press('Enter');
  await expect(page).toHaveURL(/search=LAKE/);
  const runs = page.getByRole('region', { name: 'Runs' });
  await expect(runs.getByRole('link', { name: 'zz lakes' })).toHaveCount(1);
  await expect(runs.getByRole('row')).toHaveCount(2);
  // The numbers of the tabs are those of the pipelines found, not of all runs.
  const states = page.getByRole('navigation', { name: 'State' });
  await expect(states.getByRole('link', { name: /^All/ })).toHaveText(/All\s*1$/);
  await expect(page.getByText('1 in all')).toBeVisible();

  const day = (days: number): string => {
    const at = new Date(Date.now() + days * 86_400_000);
    return at.toISOString().slice(0, 10);
  };
  await page.getByLabel('From', { exact: true }).fill(day(2));
  await expect(page.getByText('No run matches')).toBeVisible();
  // How many runs of each state a range of time has is not known, so nothing is claimed.
  await expect(states.getByRole('link', { name: /^All/ })).toHaveText(/All\s*$/);
  await page.getByLabel('From', { exact: true }).fill(day(-2));
  await expect(runs.getByRole('link', { name: 'zz lakes' })).toHaveCount(1);
  await page.getByLabel('To', { exact: true }).fill(day(-2));
  await expect(page.getByText('No run matches')).toBeVisible();
  await page.getByLabel('To', { exact: true }).fill('');
  await expectAccessible(page, 'runs of a range of time');

  await runs.getByRole('link', { name: 'zz lakes' }).click();
  await page.getByRole('link', { name: 'Runs, as filtered' }).click();
  await expect(page).toHaveURL(new RegExp(`search=LAKE.*from=${day(-2)}`));
  await page.getByRole('link', { name: 'Clear filters' }).click();
  await expect(page).toHaveURL(/\/ui\/runs$/);
});

test('a version is found however old it is', async ({ admin: page }) => {
  await page.goto('/ui/config-history');
  const versions = page.getByRole('region', { name: 'Versions' });
  await expect(versions.getByRole('row')).toHaveCount(51);
  await page.getByLabel('Search all versions').fill('zz LAKES');
  await expect(versions.getByRole('row')).toHaveCount(2);
  await expect(versions.getByRole('link', { name: /^View version/ })).toBeVisible();
  await page.getByLabel('Search all versions').fill('nothing of this kind');
  await expect(page.getByText('No version matches')).toBeVisible();
  await page.getByLabel('Search all versions').fill('');
  await expect(versions.getByRole('row')).toHaveCount(51);
});
