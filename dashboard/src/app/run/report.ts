/** What became of the rows of one file. */
export interface FileReceipt {
  name: string;
  bytes: number;
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
  type?: unknown;
  from?: string;
  to?: unknown;
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

/** What a run did, as workers write it. */
export interface RunReport {
  rows_read: number;
  rows_inserted: number;
  rows_updated: number;
  rows_duplicate: number;
  rows_quarantined: number;
  rows_filtered: number;
  rows_deleted: number;
  bytes: number;
  table: string;
  files: FileReceipt[];
  columns: ColumnReport[];
  drift: Drift[];
  ddl: string[];
  stages: { extract: number; validate: number; load: number };
  left_out: { name: string; reason: string }[];
  warnings: string[];
  combined_csv?: string | null;
  samples?: (string | null)[][];
  connections: ConnectionReport[];
  /** Models of `transform:` that were made anew. */
  models: string[];
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
  columns: [],
  drift: [],
  ddl: [],
  stages: { extract: 0, validate: 0, load: 0 },
  left_out: [],
  warnings: [],
  connections: [],
  models: [],
};

/** A report with every member there, whichever version of the worker wrote it. */
export function readReport(report: unknown): RunReport | undefined {
  if (typeof report !== 'object' || report === null) return undefined;
  const known = Object.fromEntries(Object.entries(report).filter(([, value]) => value !== null));
  return { ...NOTHING, ...known };
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

/** What became of the rows read; the shares add up. */
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
  state: 'done' | 'now' | 'ahead' | 'failed';
  /** Milliseconds it took. */
  took?: number;
}

/** A change of the table or the contract, as a sentence. */
export function driftWords(drift: Drift): string {
  switch (drift.change) {
    case 'added':
      return `${drift.column} is new and was added as ${typeWord(drift.type)}.`;
    case 'widened':
      return `${drift.column} was widened from ${drift.from ?? 'a narrower type'} to ${typeWord(drift.to)}.`;
    case 'missing':
      return `${drift.column} is in the table, but in no file.`;
    case 'left_out':
      return `${drift.column} was left out: ${drift.reason ?? 'not wanted'}.`;
    default:
      return `${drift.column}: ${drift.change}.`;
  }
}

function typeWord(type: unknown): string {
  if (typeof type === 'string') return type;
  if (typeof type === 'object' && type !== null) {
    const [name, detail] = Object.entries(type)[0] ?? ['another type', undefined];
    const numbers = typeof detail === 'object' && detail !== null ? Object.values(detail as object) : [];
    return numbers.length > 0 ? `${name}(${numbers.join(', ')})` : name;
  }
  return 'another type';
}
