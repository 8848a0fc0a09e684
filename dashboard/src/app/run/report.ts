import {
  Drift,
  FileReceipt,
  LeftOut,
  Rejections,
  RunReport as StoredReport,
  Stages,
} from '../core/api/models';
import { count, plural } from '../core/format';

/**
 * A report with every member there, as the page reads it. Members of a stored report are optional, because earlier releases
 * wrote fewer.
 */
export type RunReport = Required<Omit<StoredReport, 'files' | 'rejected' | 'stages'>> & {
  files: Required<FileReceipt>[];
  rejected: Required<Rejections> | null;
  stages: Required<Stages>;
};

const NOTHING: RunReport = {
  outcome: null,
  rows_read: 0,
  rows_inserted: 0,
  rows_updated: 0,
  rows_duplicate: 0,
  rows_quarantined: 0,
  rows_filtered: 0,
  rows_deleted: 0,
  bytes: 0,
  table: '',
  files: [],
  files_total: 0,
  tables: [],
  columns: [],
  drift: [],
  ddl: [],
  stages: { extract: 0, validate: 0, load: 0, check: 0, transform: 0 },
  left_out: [],
  left_out_total: 0,
  warnings: [],
  incremental: [],
  checks: [],
  connections: [],
  previews: [],
  models: [],
  old_partitions: [],
  combined_csv: null,
  samples: [],
  rejected: null,
  partial: false,
  lists_removed: false,
  finished_from_marker: false,
  loaded_by: null,
  unchanged_since: null,
  left_behind: null,
  window: null,
  verification: null,
};

const NO_FILE: Required<FileReceipt> = {
  name: '',
  bytes: 0,
  content_hash: '',
  delimiter: null,
  dialect: null,
  rows_read: 0,
  rows_inserted: 0,
  rows_updated: 0,
  rows_duplicate: 0,
  rows_quarantined: 0,
  rows_filtered: 0,
};

const NO_REJECTIONS: Required<Rejections> = { total: 0, reasons: [], places: [] };

/** A report with every member there, whichever release of the worker wrote it. */
export function readReport(report: StoredReport | null | undefined): RunReport | undefined {
  if (!report) return undefined;
  const known = Object.fromEntries(Object.entries(report).filter(([, value]) => value !== null));
  const read: RunReport = { ...NOTHING, ...known };
  return {
    ...read,
    files: read.files.map((file) => ({ ...NO_FILE, ...file })),
    rejected: read.rejected && { ...NO_REJECTIONS, ...read.rejected },
    stages: { ...NOTHING.stages, ...read.stages },
    // Reports of earlier releases have no totals.
    files_total: Math.max(read.files_total, read.files.length),
    left_out_total: Math.max(read.left_out_total, read.left_out.length),
  };
}

/**
 * How a file was read, as far as it is not a comma-separated UTF-8 file with a header in its first line:
 * `delimiter ;, encoding windows-1252, header in line 3`. Empty for other formats.
 */
export function dialectWords({ delimiter, dialect }: Pick<FileReceipt, 'delimiter' | 'dialect'>): string {
  const words: string[] = [];
  const separator = unquoted(delimiter);
  if (separator && separator !== ',') words.push(`delimiter ${separator === '\t' ? 'tab' : separator}`);
  if (!dialect) return words.join(', ');
  const { encoding, header_line, skipped_lines, footer_lines } = dialect;
  const [quote, decimal, thousands] = [dialect.quote, dialect.decimal, dialect.thousands].map(unquoted);
  if (encoding && encoding !== 'utf-8') words.push(`encoding ${encoding}`);
  if (quote && quote !== '"') words.push(quote === 'none' ? 'no quotes' : `quote ${quote}`);
  if (header_line === null || header_line === undefined) words.push('no header');
  else if (header_line > 1) words.push(`header in line ${count(header_line)}`);
  if (skipped_lines) words.push(`${plural(skipped_lines, 'line')} above it skipped`);
  if (footer_lines) words.push(`${plural(footer_lines, 'line')} at the end skipped`);
  if (decimal && decimal !== '.') words.push(`decimal separator ${decimal}`);
  if (thousands) words.push(`thousands separator ${thousands === ' ' ? 'space' : thousands}`);
  return words.join(', ');
}

/** A character that is written as it would be in a config: `";"`, `"\\t"`, `none`. */
function unquoted(written: string | null | undefined): string {
  if (!written?.startsWith('"')) return written ?? '';
  try {
    const text: unknown = JSON.parse(written);
    return typeof text === 'string' ? text : written;
  } catch {
    return written;
  }
}

/** One share of the rows read. */
export interface Share {
  label: string;
  rows: number;
  tone: 'good' | 'live' | 'calm' | 'bad' | 'none';
  percent: number;
}

/** The rows read, split by what happened to them. The parts add up to all rows. */
export function sharesOf(report: RunReport): Share[] {
  const all: Omit<Share, 'percent'>[] = [
    { label: 'New', rows: report.rows_inserted, tone: 'good' },
    { label: 'Updated', rows: report.rows_updated, tone: 'live' },
    { label: 'Duplicate', rows: report.rows_duplicate, tone: 'calm' },
    { label: 'Quarantined', rows: report.rows_quarantined, tone: 'bad' },
    { label: 'Filtered', rows: report.rows_filtered, tone: 'none' },
  ];
  return all.map((share) => ({
    ...share,
    percent: report.rows_read === 0 ? 0 : (share.rows / report.rows_read) * 100,
  }));
}

/** One step of a run on its way. */
export interface Step {
  label: string;
  state: 'done' | 'now' | 'ahead' | 'warned' | 'stopped' | 'failed';
  /** Milliseconds it took. */
  took?: number;
}

/** A difference between the data and the table, as a sentence. */
export function driftWords(drift: Drift): string {
  switch (drift.change) {
    case 'added':
      return `${drift.column} is new and was added as ${drift.type}.`;
    case 'widened':
      return `${drift.column} was widened from ${drift.from} to ${drift.to}.`;
    case 'missing':
      return `${drift.column} is in the table, but in no file.`;
    case 'left_out':
      return `${drift.column} was left out: ${drift.reason}.`;
    default: {
      // A tab that is older than the server may meet changes that it does not know.
      const { column, change }: Drift = drift satisfies never;
      return `${column}: ${change}.`;
    }
  }
}

/** Why a file was not read; most reasons begin with its name. */
export function leftOutWords({ name, reason }: LeftOut): string {
  return reason.startsWith(name) ? reason : `${name}: ${reason}`;
}

/** A reason of rejected rows in words: `wrong type in amount`. */
export function reasonWord(code: string, column: string | null | undefined): string {
  const word = code.replaceAll('_', ' ');
  return column ? `${word} in ${column}` : word;
}

/** Reasons of rejected rows, the most frequent first: `wrong type in amount: 131 rows`. */
export function reasonWords(rejections: Required<Rejections>): string[] {
  const listed = rejections.reasons.reduce((sum, reason) => sum + reason.rows, 0);
  const words = rejections.reasons.map(
    ({ code, column, rows }) => `${reasonWord(code, column)}: ${plural(rows, 'row')}`,
  );
  const others = rejections.total - listed;
  return others > 0 ? [...words, `other reasons: ${plural(others, 'row')}`] : words;
}
