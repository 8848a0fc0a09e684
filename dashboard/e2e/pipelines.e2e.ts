import { call, runOnce, yamlForm } from './support/api';
import { put } from './support/server';
import { rows } from './support/sql';
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

const NAME = 'aa rivers/north v1.2';

test('a pipeline has a page, whatever its name, with the numbers that SQL has', async ({ admin: page }) => {
  const folder = put('rivers/a.csv', 'id,length\n1,10\n2,20\nx,30\n');
  const yaml = (note: string): string =>
    `# ${note}\nname: ${NAME}\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: rivers\nschema:\n  columns:\n    id: int64\n    length: int64\non_bad_row: quarantine\ntransform:\n  - name: long_rivers\n    sql: select * from rivers where length > 15\n`;
  const first = await runOnce(yaml('first'));
  put('rivers/b.csv', 'id,length\n3,40\n');
  const second = await runOnce(yaml('second'));
  expect([first.rows_inserted, second.rows_inserted]).toEqual([2, 1]);

  await page.goto('/ui/pipelines');
  await page.getByLabel('Search all pipelines').fill(NAME);
  const row = page.getByRole('region', { name: 'Pipelines' }).getByRole('row', { name: NAME });
  await expect(row).toContainText('2 with warnings');
  await expect(row).toContainText('by admin');
  const rejected = await rows("_elt_quarantine where table_name = 'rivers' and replayed_by is null");
  await expect(row.getByRole('link', { name: `rejected rows of ${NAME}` })).toHaveText('1');
  await expectAccessible(page, 'the list of pipelines');

  await row.getByRole('link', { name: NAME, exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: NAME })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Health' })).toContainText('With warnings');
  await expect(page.getByRole('region', { name: 'Health' }).getByRole('link', { name: /^1 row/ })).toHaveText(
    `${rejected} row`,
  );
  // The address alone leads there as well, although the name looks like that of a file.
  await page.goto(`/ui/pipelines/${encodeURIComponent(NAME)}?tab=runs`);
  const runs = page.getByRole('region', { name: 'Run times' });
  await expect(runs.getByRole('row')).toHaveCount(3);
  await page.getByRole('button', { name: 'On the clock' }).click();
  await expectAccessible(page, 'the runs of a pipeline');

  await page.getByRole('link', { name: 'Versions' }).click();
  await expect(page).toHaveURL(/tab=versions/);
  await page.getByRole('link', { name: /^What version .* changed$/ }).click();
  await expect(page.getByRole('heading', { name: 'Compare versions' })).toBeVisible();
  await page.goBack();

  await page.getByRole('link', { name: 'Columns', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Columns and their types' }).getByRole('row')).toHaveCount(3);
  await page.getByRole('link', { name: 'Lineage' }).click();
  const lineage = page.getByRole('region', { name: 'Lineage' });
  await expect(lineage).toContainText(folder);
  await expect(lineage).toContainText('long_rivers');
  await page.getByRole('link', { name: 'Notifications', exact: true }).last().click();
  await expect(page.getByText('No one gets messages')).toBeVisible();

  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByRole('link', { name: 'Status' }).click();
  await expect(page.getByRole('region', { name: 'Health' })).toContainText(/Paused\s+by admin/);
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Resume', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Pause', exact: true })).toBeVisible();
});

test('a failed run is compared with the last one that worked', async ({ admin: page }) => {
  const folder = put('seas/a.csv', 'id,depth\n1,10\n');
  const yaml = `name: seas\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: seas\nschema:\n  columns:\n    id: int64\n    depth: int64\non_bad_row: fail\n`;
  const worked = await runOnce(yaml);
  put('seas/b.csv', 'id,depth\nx,10\n');
  const failed = await runOnce(yaml);
  expect([worked.state, failed.state]).toEqual(['succeeded', 'failed']);

  await page.goto(`/ui/runs/${failed.id}`);
  await page.getByRole('button', { name: 'What changed since it last worked' }).click();
  await expect(page).toHaveURL(new RegExp(`a=${worked.id}&b=${failed.id}$`));
  const result = page.getByRole('region', { name: 'Result of both runs' });
  await expect(result.getByRole('row', { name: /^State/ })).toContainText(/clean\s*failed\s*differs/);
  await expect(result.getByRole('row', { name: /^Config/ })).not.toContainText('differs');
  await expectAccessible(page, 'two runs side by side');

  // The same two, chosen in the list of runs.
  await page.goto('/ui/runs?name=seas');
  const boxes = page.getByRole('checkbox', { name: 'Choose the run of seas' });
  await expect(boxes).toHaveCount(2);
  for (const box of await boxes.all()) await box.check();
  await page.getByRole('button', { name: 'Compare the two' }).click();
  await expect(page).toHaveURL(new RegExp(`a=${worked.id}&b=${failed.id}$`));
});

test('the palette finds pages, pipelines, runs and help by the keyboard', async ({ admin: page }) => {
  const { id } = await runOnce(yamlOf('zz lakes', put('lakes/a.csv', 'id,lake\n1,Müggelsee\n')));
  await page.goto('/ui/admin');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.keyboard.press('ControlOrMeta+k');
  const box = page.getByRole('combobox', { name: /^Go to/ });
  await expect(box).toBeFocused();
  const list = page.getByRole('listbox', { name: 'Results' });
  await box.fill('zz lak');
  await expect(list.getByRole('option', { name: 'zz lakes' })).toBeVisible();
  await expectAccessible(page, 'the palette');
  await expect(list.getByRole('option', { selected: true })).toHaveText('zz lakes');
  await page.keyboard.press('ArrowDown');
  await expect(list.getByRole('option', { selected: true })).toContainText('Runs of pipelines with');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'zz lakes' })).toBeVisible();

  await page.keyboard.press('ControlOrMeta+k');
  await box.fill(id);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(new RegExp(`/runs/${id}$`));

  await page.keyboard.press('ControlOrMeta+k');
  await box.fill('target_locked');
  await expect(list.getByRole('option', { name: /^target_locked/ })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(box).toHaveCount(0);
  await page.getByRole('button', { name: /^Go to…/ }).click();
  await expect(box).toBeFocused();
});
