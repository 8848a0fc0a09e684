import { Outcome } from '../core/api/models';
import { plural } from '../core/format';

/** The rows of one file, counted by what happened to them. */
export interface FileReceipt {
  name: string;
  bytes: number;
  /** The delimiter of a text file, as the config would write it. */
  delimiter?: string | null;
  rows_read: number;
  rows_inserted: number;
  rows_updated: number;
  rows_duplicate: number;
  rows_quarantined: number;
  rows_filtered: number;
}

/** A cell that ruled a narrower type out. */
export interface DecidingCell {
  file: string;
  line: number;
  value: string;
}

/** A column of the table, and why it has its type. */
export interface ColumnReport {
  name: string;
  type: string;
  because: string;
  decided_by?: DecidingCell | null;
  nulls: number;
}

/** One difference between what came and what was expected. */
export interface Drift {
  change: string;
  column: string;
  /** As a config writes it. */
  type?: string;
  /** As SQL. */
  from?: string;
  /** As a config writes it. */
  to?: string;
  reason?: string;
  decided_by?: DecidingCell | null;
}

/** What a test of one connection showed. */
export interface ConnectionReport {
  /** `source 1 (sftp)`, `target`. */
  what: string;
  reachable: boolean;
  authenticated: boolean;
  usable: boolean;
  found: string;
  files: { name: string; bytes?: number | null }[];
  files_total: number;
  columns: string[];
  seconds: number;
  problem?: { code: string; message: string; next_step: string } | null;
}

/** Where a rejected row is, and why it was rejected. */
export interface RejectedPlace {
  file: string;
  line: number;
  column?: string | null;
  code: string;
  reason: string;
}

/** Rejected rows: how many, for which reasons, and the first of them. */
export interface Rejections {
  total: number;
  /** The most frequent first; rare ones may be missing. */
  reasons: { code: string; column?: string | null; rows: number }[];
  places: RejectedPlace[];
}

/** A file that was not read. */
export interface LeftOut {
  name: string;
  reason: string;
  /** `skipped`: it was not meant to be read. */
  kind?: 'failed' | 'skipped';
}

/** What a run did, as workers write it (`worker/src/report.rs`). */
export interface RunReport {
  outcome?: Outcome | null;
  rows_read: number;
  rows_inserted: number;
  rows_updated: number;
  rows_duplicate: number;
  rows_quarantined: number;
  rows_filtered: number;
  rows_deleted: number;
  bytes: number;
  table: string;
  /** The first thousand; `files_total` counts all of them. */
  files: FileReceipt[];
  files_total: number;
  columns: ColumnReport[];
  drift: Drift[];
  ddl: string[];
  /** Seconds. */
  stages: { extract: number; validate: number; load: number; transform: number };
  /** The first thousand; `left_out_total` counts all of them. */
  left_out: LeftOut[];
  left_out_total: number;
  warnings: string[];
  combined_csv?: string | null;
  samples?: (string | null)[][];
  connections: ConnectionReport[];
  /** Models of `transform:` that were made anew. */
  models: string[];
  rejected?: Rejections | null;
  /** The run ended without loading: the report has only what was known until then. */
  partial: boolean;
  /** The attempt that loaded was lost after its commit; a later one found its work done. */
  finished_from_marker: boolean;
  /** The run that this one repeats and that had loaded: its rows are the ones this report counts. */
  loaded_by: string | null;
}

/** How far a running run is, as workers write it. */
export interface RunProgress {
  files: number;
  files_done: number;
  file?: string | null;
  rows_read: number;
  bytes_read: number;
  rows_sent: number;
}

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
  columns: [],
  drift: [],
  ddl: [],
  stages: { extract: 0, validate: 0, load: 0, transform: 0 },
  left_out: [],
  left_out_total: 0,
  warnings: [],
  connections: [],
  models: [],
  combined_csv: null,
  samples: [],
  rejected: null,
  partial: false,
  finished_from_marker: false,
  loaded_by: null,
};

/** A report with every member there, whichever version of the worker wrote it. */
export function readReport(report: unknown): RunReport | undefined {
  if (typeof report !== 'object' || report === null) return undefined;
  const known = Object.fromEntries(Object.entries(report).filter(([, value]) => value !== null));
  const read: RunReport = { ...NOTHING, ...known };
  return {
    ...read,
    stages: { ...NOTHING.stages, ...read.stages },
    // Reports of earlier releases have no totals.
    files_total: Math.max(read.files_total, read.files.length),
    left_out_total: Math.max(read.left_out_total, read.left_out.length),
  };
}

/** The progress of a run that is going on. */
export function readProgress(progress: unknown): RunProgress | undefined {
  return typeof progress === 'object' && progress !== null ? (progress as RunProgress) : undefined;
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
      return `${drift.column} is new and was added as ${drift.type ?? 'another type'}.`;
    case 'widened':
      return `${drift.column} was widened from ${drift.from ?? 'a narrower type'} to ${drift.to ?? 'another type'}.`;
    case 'missing':
      return `${drift.column} is in the table, but in no file.`;
    case 'left_out':
      return `${drift.column} was left out: ${drift.reason ?? 'not wanted'}.`;
    default:
      return `${drift.column}: ${drift.change}.`;
  }
}

/** Why a file was not read; most reasons begin with its name. */
export function leftOutWords({ name, reason }: LeftOut): string {
  return reason.startsWith(name) ? reason : `${name}: ${reason}`;
}

/** Reasons of rejected rows, the most frequent first: `wrong_type in amount: 131 rows`. */
export function reasonWords(rejections: Rejections): string[] {
  const listed = rejections.reasons.reduce((sum, reason) => sum + reason.rows, 0);
  const words = rejections.reasons.map(
    ({ code, column, rows }) => `${column ? `${code} in ${column}` : code}: ${plural(rows, 'row')}`,
  );
  const others = rejections.total - listed;
  return others > 0 ? [...words, `other reasons: ${plural(others, 'row')}`] : words;
}
