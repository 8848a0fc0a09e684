import {
  Drift,
  FileReceipt,
  LeftOut,
  Rejections,
  RunReport as StoredReport,
  Stages,
} from '../core/api/models';
import { plural } from '../core/format';

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
  stages: { extract: 0, validate: 0, load: 0, transform: 0 },
  left_out: [],
  left_out_total: 0,
  warnings: [],
  incremental: [],
  connections: [],
  previews: [],
  models: [],
  combined_csv: null,
  samples: [],
  rejected: null,
  partial: false,
  lists_removed: false,
  finished_from_marker: false,
  loaded_by: null,
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
    { label: 'Blank', rows: report.rows_filtered, tone: 'none' },
  ];
  return all.map((share) => ({
    ...share,
    percent: report.rows_read === 0 ? 0 : (share.rows / report.rows_read) * 100,
  }));
}

/** One step of a run on its way. */
export interface Step {
  label: string;
  state: 'done' | 'now' | 'ahead' | 'warned' | 'failed';
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

/** Reasons of rejected rows, the most frequent first: `wrong_type in amount: 131 rows`. */
export function reasonWords(rejections: Required<Rejections>): string[] {
  const listed = rejections.reasons.reduce((sum, reason) => sum + reason.rows, 0);
  const words = rejections.reasons.map(
    ({ code, column, rows }) => `${column ? `${code} in ${column}` : code}: ${plural(rows, 'row')}`,
  );
  const others = rejections.total - listed;
  return others > 0 ? [...words, `other reasons: ${plural(others, 'row')}`] : words;
}
