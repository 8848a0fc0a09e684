import { runOnce } from './support/api';
import { put } from './support/server';
import { expect, test } from './support/test';

test('narrow columns show their whole types, and texts that hide something show it', async ({
  admin: page,
}) => {
  const names = Array.from({ length: 20 }, (_, at) => `n${at}`);
  const digits = names.map(() => '1').join(',');
  const folder = put(
    'hidden_texts/a.csv',
    `id,word,${names.join(',')}\n1,"safe\u202Efdp.exe",${digits}\n2,"   ",${digits}\n`,
  );
  const run = await runOnce(
    `name: hidden_texts\nsources:\n  - type: local\n    path: ${folder}\ntarget:\n  table: hidden_texts\nload:\n  profile: none\n`,
  );
  expect(run.error).toBeNull();

  await page.goto(`/ui/data-view?config=${run.config_id}`);
  const grid = page.getByRole('region', { name: 'Rows of the table' });
  await expect(grid.getByRole('row', { name: /^1 / })).toContainText('safe[U+202E]fdp.exe');
  await expect(grid.getByRole('row', { name: /^2 / }).locator('td.blank')).toHaveText(/blank/);

  const clipped = await grid.evaluate((element) =>
    [...element.querySelectorAll('thead th')]
      .filter((head) => {
        const type = head.querySelector('.type');
        const range = document.createRange();
        if (type !== null) range.selectNodeContents(type);
        const [text, cell] = [range.getBoundingClientRect(), head.getBoundingClientRect()];
        return text.width === 0 || text.left < cell.left || text.right > cell.right;
      })
      .map((head) => head.textContent),
  );
  expect(clipped, 'headers whose type is not seen as a whole').toEqual([]);
});

test('the details of the last line of the log are in sight when they open', async ({ admin: page }) => {
  await page.goto('/ui/logs');
  await page.getByRole('button', { name: 'Paused' }).click();
  const last = page.getByRole('region', { name: 'Log lines' }).getByRole('listitem').last();
  await last.getByRole('button', { name: 'Show details' }).click();
  await expect(last.getByText('process', { exact: true })).toBeInViewport();
  await expect(last.locator('dl > div').last()).toBeInViewport();
});
