import { RetriedRuns, RetryRuns } from '../core/api/models';
import { plural } from '../core/format';

/** Most failed runs that one request retries; the server takes no more. */
const MOST = 500;

/** What the fields of the retry dialog hold. */
export interface RetryFields {
  /** As `datetime-local` writes it, in the browser's zone. */
  since: string;
  pipeline: string;
  code: string;
}

/** The fields as the dialog opens: everything that failed in the last 24 hours, of the pipeline the list shows. */
export function startFields(now: number, pipeline: string | undefined): RetryFields {
  const at = new Date(now - 24 * 3_600_000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return {
    since: `${day}T${two(at.getHours())}:${two(at.getMinutes())}`,
    pipeline: pipeline ?? '',
    code: '',
  };
}

/** The request of the fields. `undefined` while they name no time. */
export function requestOf(fields: RetryFields, dryRun: boolean): RetryRuns | undefined {
  const since = Date.parse(fields.since);
  if (Number.isNaN(since)) return undefined;
  const request: RetryRuns = { since: new Date(since).toISOString(), dry_run: dryRun, limit: MOST };
  const [name, code] = [fields.pipeline.trim(), fields.code.trim()];
  if (name !== '') request.name = name;
  if (code !== '') request.code = code;
  return request;
}

/** Sentences about what a retry would do, or did. */
export function retryWords(answer: RetriedRuns, done: boolean): string[] {
  const { retried, skipped } = answer;
  if (retried.length === 0 && skipped.length === 0) return ['No failed run matches.'];
  const words = [];
  if (retried.length === 0) words.push(done ? 'Nothing was queued.' : 'There is nothing to retry.');
  else if (done)
    words.push(
      `${plural(retried.length, 'failed run was queued again as a new run', 'failed runs were queued again as new runs')}.`,
    );
  else words.push(`${plural(retried.length, 'failed run')} can be retried.`);
  if (skipped.length > 0) words.push(skippedWords(answer));
  if (hasRest(answer)) {
    words.push(done ? 'More failed runs match.' : 'More failed runs match. The oldest are retried first.');
  }
  return words;
}

/** Whether failed runs are left that the same request would retry next. Runs that are left alone always come last. */
export function hasRest({ more, skipped }: RetriedRuns): boolean {
  return more && skipped.length === 0;
}

function skippedWords({ skipped, more }: RetriedRuns): string {
  const undone = skipped.filter((run) => run.code === 'already_undone').length;
  const parts = [];
  const again = skipped.length - undone;
  if (again > 0) parts.push(`${plural(again, 'run was', 'runs were')} retried before`);
  if (undone > 0) parts.push(`${plural(undone, 'run was', 'runs were')} undone before`);
  return `${more ? 'At least ' : ''}${parts.join(', and ')}: left alone.`;
}
