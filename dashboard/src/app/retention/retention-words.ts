import { RetentionView } from '../core/api/models';
import { count, plural } from '../core/format';

type Kind = RetentionView['kind'];

// A tab that is older than the server may meet kinds that it does not know.
const KINDS: Record<Kind, string> & Record<string, string | undefined> = {
  tickets: 'Finished tickets of the queue, and workers that are gone',
  log_lines: 'Log lines',
  reports: 'Long lists of files in reports of runs',
  runs: 'Runs, with their attempts',
  schedules: 'Schedules that ended',
  configs: 'Config versions without runs',
  coverage_reports: 'Coverage reports',
  login_failures: 'Failed logins',
  api_tokens: 'API tokens that were revoked or have expired',
  idempotency_keys: 'Answers kept for repeated requests',
  notifications: 'Messages about pipelines that were sent or given up',
  audit: 'Rows of the audit',
  sessions: 'Sessions that have expired',
  receipts: 'Receipts of loaded files',
  markers: 'Markers of runs',
  quarantine: 'Rejected rows in quarantine',
  work_folders: 'Work folders of lost workers',
  combined_csvs: 'Combined CSVs of earlier config versions',
  uploads: 'Unfinished uploads of files',
};

const days = (value: number): string => plural(value, 'day');

/** What a setting lets stay, by its name. */
const SETTINGS: Record<string, ((value: number) => string) | undefined> = {
  ELT_KEEP_LOG_LINES: (value) => `at most ${plural(value, 'line')}`,
  ELT_KEEP_RUNS: (value) => `and the newest ${count(value)} of each pipeline`,
  ELT_KEEP_COVERAGE_REPORTS: (value) => `the newest ${count(value)}`,
  ELT_KEEP_OUTPUTS: (value) => `the newest ${plural(value, 'version')} of each pipeline`,
};

/** A setting that says what stays, and its value in words. */
export interface Setting {
  name: string;
  words: string;
}

export function kindName(kind: string): string {
  return KINDS[kind] ?? kind.replaceAll('_', ' ');
}

/** The settings of a kind: those in days first, because the others add to them. */
export function settingsOf(view: RetentionView): Setting[] {
  return Object.entries(view.settings)
    .map(([name, value]) => ({
      name,
      words: name.endsWith('_DAYS') ? days(value) : (SETTINGS[name] ?? count)(value),
    }))
    .toSorted((one, other) => Number(other.name.endsWith('_DAYS')) - Number(one.name.endsWith('_DAYS')));
}

/** The sentence about kinds where old things are left. `undefined` when nothing is behind. */
export function behindWords(all: readonly RetentionView[]): string | undefined {
  // A kind has a row for each place.
  const behind = new Set(all.filter((view) => view.behind).map((view) => view.kind)).size;
  if (behind === 0) return undefined;
  return `Old things are left of ${plural(behind, 'kind')}: a worker was not done in time, failed, or has not cleaned for hours.`;
}
