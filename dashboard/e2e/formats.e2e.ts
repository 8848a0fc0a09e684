import { gzipSync } from 'node:zlib';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { runOnce } from './support/api';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

/** An archive of texts, as `tar` writes it. */
function tar(files: Record<string, string>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, text]) => {
    const content = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        0', 148);
    header.write('ustar\u000000', 257);
    const sum = header.reduce((all, byte) => all + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

test('files of an archive, how they were read, and where rows came from are on the pages', async ({
  admin: page,
}) => {
  const folder = put('packed/readme.txt.skip', 'no input');
  const entry = (title: string, row: string): string => `${title}\n\nid;betrag;name\n${row}\n`;
  const long = `${'2026/a folder with a long name/'.repeat(4)}orders.csv`;
  const archive = tar({
    'a.csv': entry('Report', '1;1,50;Ann'),
    [long.slice(-95)]: entry('Report', '2;2,00;Bob'),
  });
  writeFileSync(join(folder, 'box.tar.gz'), gzipSync(archive));
  const csv = `    csv: {delimiter: ";", skip_rows: 2, decimal: ","}\n`;
  const run = await runOnce(
    `name: packed\nsources:\n  - type: local\n    path: ${folder}\n${csv}target:\n  table: packed\nprovenance: [file, row]\n`,
  );
  expect(run.error).toBeNull();
  expect(run.rows_inserted).toBe(2);

  await page.goto(`/ui/runs/${run.id}`);
  const files = page.getByRole('region', { name: 'Receipt of every file' });
  const first = files.getByRole('row', { name: /box\.tar\.gz!a\.csv/ });
  await expect(first).toContainText(
    'delimiter ;, header in line 3, 2 lines above it skipped, decimal separator ,',
  );
  await expect(files.getByRole('columnheader', { name: 'Filtered' })).toBeVisible();
  await expect(page.getByText('Blank', { exact: true })).toHaveCount(0);
  await expectAccessible(page, 'files of an archive');

  await page.getByRole('link', { name: 'Open table' }).click();
  const grid = page.getByRole('region', { name: 'Rows of the table' });
  await expect(grid.getByRole('columnheader')).toHaveCount(3);
  await page.getByLabel('Columns of elt').check();
  await expect(grid.getByRole('columnheader', { name: /_elt_file/ })).toBeVisible();
  await expect(grid.getByRole('row', { name: /^1 / })).toContainText('box.tar.gz!a.csv');
  await expect(page).toHaveURL(/internal=true/);
  await expectAccessible(page, 'data with the columns of elt');
  await page.reload();
  await expect(grid.getByRole('columnheader', { name: /_elt_row\b/ })).toBeVisible();
});
