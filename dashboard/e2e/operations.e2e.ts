import { call, runOnce } from './support/api';
import { put } from './support/server';
import { expect, expectAccessible, test } from './support/test';

const NAME = 'mended';

function yamlOf(folder: string): string {
  return `name: ${NAME}
sources:
  - type: local
    path: ${folder}
target:
  table: ${NAME}
monitor:
  enabled: false
schema:
  columns:
    id: int64
  max_rejected: {percent: 5}
on_bad_row: quarantine
`;
}

// Other stories share the installation, also after a story here has failed.
test.afterAll(async () => {
  const { pauses } = await call<{ pauses: { scope: 'all' | 'queue' | 'pipeline'; name: string }[] }>(
    'GET',
    '/queues',
  );
  for (const { scope, name } of pauses) {
    const paused = { all: '', queue: `/queues/${name}`, pipeline: `/pipelines/${name}` }[scope];
    await call('POST', `${paused}/resume`);
  }
  const { data } = await call<{ data: { id: string }[] }>('GET', '/workers');
  for (const worker of data) await call('POST', `/workers/${worker.id}/undrain`);
  const queues = await call<{ data: { name: string }[] }>('GET', '/queues');
  for (const { name } of queues.data) await call('PUT', `/queues/${name}/limit`, { concurrency: null });
});

test('failed runs of a paused pipeline are counted and queued again, wait, and load once it is resumed', async ({
  admin: page,
}) => {
  const yaml = yamlOf(put(`${NAME}/a.csv`, 'id\n1\nx\n'));
  expect((await runOnce(yaml)).state).toBe('failed');
  const { config_id } = await runOnce(yaml);

  await page.goto('/ui/pipelines');
  await page.getByLabel('Search all pipelines').fill(NAME);
  const pipeline = page.getByRole('region', { name: 'Pipelines' }).getByRole('row', { name: NAME });
  await expect(pipeline).toContainText('Failed');
  await page.getByRole('button', { name: `Pause ${NAME}` }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('the file is being mended');
  await expectAccessible(page, 'pausing a pipeline');
  await dialog.getByRole('button', { name: 'Pause', exact: true }).click();
  await expect(pipeline).toContainText(/Paused\s+by admin, .* · the file is being mended/);
  await expectAccessible(page, 'a paused pipeline');

  await page.goto(`/ui/runs?name=${NAME}`);
  await page.getByRole('button', { name: 'Retry failed runs…' }).click();
  await expect(dialog.getByLabel('Only of this pipeline')).toHaveValue(NAME);
  await dialog.getByLabel('Only with this error code').fill('no_such_code');
  await dialog.getByRole('button', { name: 'Count the runs' }).click();
  await expect(dialog.getByRole('status')).toContainText('No failed run matches.');
  await dialog.getByLabel('Only with this error code').fill('');
  await dialog.getByRole('button', { name: 'Count the runs' }).click();
  await expect(dialog.getByRole('status')).toContainText('2 failed runs can be retried.');
  await expectAccessible(page, 'failed runs that were counted');
  await dialog.getByRole('button', { name: 'Retry 2 runs' }).click();
  await expect(dialog.getByRole('status')).toContainText('2 failed runs were queued again as new runs.');
  await dialog.getByRole('button', { name: 'Close' }).click();

  const waiting = page
    .getByRole('region', { name: 'Runs' })
    .getByRole('row', { name: /Starts once someone resumes the pipeline mended, which admin paused/ });
  await expect(waiting).toHaveCount(2, { timeout: 60_000 });
  await expect(waiting.first()).toContainText('Waiting');
  await waiting.first().getByRole('link', { name: NAME }).click();
  const state = page.getByRole('region', { name: 'State', exact: true });
  await expect(state).toContainText('It is paused. It starts once someone resumes the pipeline mended');
  await expect(state).toContainText('It has waited since');
  await expectAccessible(page, 'a run that waits for a resume');
  const run = page.url();

  put(`${NAME}/a.csv`, 'id\n1\n2\n');
  await page.goto('/ui/admin');
  await expect(page.getByText('The pipeline mended is paused.')).toBeVisible();
  await page.getByRole('link', { name: 'Show the pipelines' }).click();
  await page.getByLabel('Search all pipelines').fill(NAME);
  await page.getByRole('button', { name: `Resume ${NAME}` }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByRole('button', { name: `Pause ${NAME}` })).toBeVisible();
  await page.goto(run);
  await expect(state.getByText('Clean', { exact: true }).first()).toBeVisible({ timeout: 120_000 });
  await page.goto(`/ui/data-view?config=${config_id}`);
  await expect(page.getByRole('cell', { name: '2', exact: true })).toBeVisible();
});

test('a worker is drained and undrained, everything is resumed, and retention says what stays', async ({
  admin: page,
}) => {
  test.slow();
  await page.goto('/ui/workers');
  const workers = page.getByRole('region', { name: 'Workers', exact: true });
  await workers.getByRole('button', { name: /^Drain / }).click();
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('queued runs wait');
  await question.getByRole('button', { name: 'Drain', exact: true }).click();
  await expect(workers.getByText('Drained', { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(workers).toContainText('by admin');
  await expect(page.getByText('No worker takes runs now.')).toBeVisible();
  await expectAccessible(page, 'a drained worker');
  await workers.getByRole('button', { name: /^Undrain / }).click();
  await question.getByRole('button', { name: 'Undrain', exact: true }).click();
  await expect(workers.getByText('Working', { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText('No worker takes runs now.')).toHaveCount(0);

  await call('POST', '/pause', { reason: 'the target moves' });
  await page.goto('/ui/admin');
  await expect(page.getByText('Everything is paused')).toBeVisible();
  await expect(page.getByText('Reason: the target moves')).toBeVisible();
  await expectAccessible(page, 'everything paused');
  await page.getByRole('button', { name: 'Resume everything' }).click();
  await question.getByRole('button', { name: 'Resume everything' }).click();
  await expect(page.getByText('Everything is paused')).toHaveCount(0);

  await page.goto('/ui/retention');
  const runs = page.getByRole('region', { name: 'Retention' }).getByRole('row', { name: /^Runs, with/ });
  await expect(runs).toContainText('Control database');
  // A worker cleans for the first time a minute after its start, and the page looks every 30 seconds.
  await expect(runs).toContainText('ELT_KEEP_RUNS_DAYS', { timeout: 150_000 });
  await expect(page.getByRole('row', { name: /^Combined CSVs|^Coverage reports/ }).first()).toBeVisible();
});

test('a queue is limited, paused with a reason, and resumed', async ({ admin: page }) => {
  await page.goto('/ui/workers');
  const queue = page.getByRole('region', { name: 'List of queues' }).getByRole('row', { name: /^elt\b/ });
  await expect(queue).toContainText(/1 worker, \d+ runs? at a time/);
  const dialog = page.getByRole('dialog');
  const limit = dialog.getByLabel('Runs at a time');
  const set = dialog.getByRole('button', { name: 'Set the limit' });
  await page.getByRole('button', { name: 'Limit the queue elt' }).click();
  for (const text of ['0', '10001', 'many']) {
    await limit.fill(text);
    await expect(set).toBeDisabled();
  }
  await limit.fill('3');
  await expectAccessible(page, 'limiting a queue');
  await set.click();
  await expect(page.getByText('At most 3 runs of the queue elt at a time')).toBeVisible();
  await expect(queue.getByText('3', { exact: true })).toBeVisible();

  await page.getByRole('button', { name: 'Pause the queue elt' }).click();
  await dialog.getByLabel('Reason').fill('the workers move');
  await dialog.getByRole('button', { name: 'Pause', exact: true }).click();
  await expect(queue).toContainText(/Paused\s+by admin, .* · the workers move/);
  await expectAccessible(page, 'a paused queue');
  await page.getByRole('button', { name: 'Resume the queue elt' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Resume the queue' }).click();
  await expect(queue).not.toContainText('Paused');

  await page.getByRole('button', { name: 'Limit the queue elt' }).click();
  await expect(limit).toHaveValue('3');
  await limit.fill('');
  await set.click();
  await expect(queue.getByText('none', { exact: true })).toBeVisible();
});
