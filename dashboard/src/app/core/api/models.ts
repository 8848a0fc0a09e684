/** A page of a list; `next` leads to the one after it. */
export interface Page<T> {
  data: T[];
  next?: string | null;
}

export type RunState = 'queued' | 'running' | 'succeeded' | 'failed' | 'stopped';
export type RunKind = 'run' | 'plan' | 'check' | 'test_connection' | 'replay' | 'undo';

/** One execution of a pipeline. */
export interface Run {
  id: string;
  kind: RunKind;
  config_id: number;
  name: string;
  target_table: string;
  trigger: string;
  schedule_id?: string | null;
  parent_id?: string | null;
  state: RunState;
  not_before?: string | null;
  waits_for?: string | null;
  stage?: 'extract' | 'validate' | 'load' | null;
  progress?: RunProgress | null;
  attempt: number;
  max_attempts: number;
  worker_id?: string | null;
  stop_requested_at?: string | null;
  error_code?: string | null;
  error?: string | null;
  next_step?: string | null;
  report?: RunReport | null;
  rows_read?: number | null;
  rows_inserted?: number | null;
  traceparent?: string | null;
  created_by: string;
  created_at: string;
  started_at?: string | null;
  finished_at?: string | null;
}

/** How far a running run is. */
export interface RunProgress {
  stage: string;
  files: number;
  files_done: number;
  file?: string | null;
  rows_read: number;
  bytes_read: number;
  rows_sent: number;
  seconds: number;
}

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

/** What a run did. */
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
}

/** One line of the log. */
export interface LogLine {
  id: number;
  at: string;
  level: 'ERROR' | 'WARN' | 'INFO' | 'DEBUG' | 'TRACE';
  target: string;
  message: string;
  fields: Record<string, unknown>;
  run_id?: string | null;
  trace_id?: string | null;
  process: string;
}

/** A remark about a place in a YAML. */
export interface FieldProblem {
  pointer: string;
  line?: number | null;
  column?: number | null;
  message: string;
}

/** What became of an upload. */
export interface UploadAnswer {
  message: string;
  version: number;
  id: number;
  created: boolean;
  runnable: boolean;
  problems: FieldProblem[];
  warnings: FieldProblem[];
}

/** What a check of a YAML found. */
export interface Validation {
  valid: boolean;
  runnable: boolean;
  name?: string | null;
  problems: FieldProblem[];
  warnings: FieldProblem[];
}

/** One version of a config, without its secrets. */
export interface ConfigView {
  id: number;
  version: number;
  name: string;
  created_at: string;
  created_by: string;
  yaml_preview: string;
  runnable: boolean;
  problems: unknown;
  warnings: unknown;
}

/** One version and its text, secrets masked. */
export interface MaskedConfig extends ConfigView {
  yaml_masked: string;
}

/** The exact text of a version. */
export interface ConfigText {
  id: number;
  version: number;
  timestamp: string;
  yaml_content: string;
  created_at: string;
}

/** Two versions side by side, secrets masked. */
export interface ConfigDiff {
  from: MaskedConfig;
  to: MaskedConfig;
  secrets_differ: boolean;
}

/** Someone who may log in. */
export interface UserView {
  id: string;
  username: string;
  role: 'admin' | 'user';
  disabled: boolean;
  created_at: string;
}

/** One thing someone did. */
export interface AuditView {
  id: string;
  at: string;
  actor: string;
  ip?: string | null;
  action: string;
  object?: string | null;
  outcome: string;
  detail: Record<string, unknown>;
  request_id?: string | null;
}

/** The numbers of one coverage report. */
export interface CoveragePoint {
  at: string;
  commit?: string | null;
  covered_lines: number;
  num_statements: number;
  percent_covered: number;
}

/** A coverage report in coverage.py's shape. */
export interface CoverageReport {
  totals: CoverageTotals;
  files: Record<string, { summary: CoverageTotals }>;
  covered_lines: number;
  num_statements: number;
  percent_covered: number;
  commit?: string | null;
  at?: string | null;
  history: CoveragePoint[];
}

/** Lines covered, of how many. */
export interface CoverageTotals {
  covered_lines: number;
  num_statements: number;
  missing_lines: number;
  percent_covered: number;
  percent_covered_display: string;
}

/** One process that works runs. */
export interface WorkerView {
  id: string;
  host: string;
  pid: number;
  version: string;
  queue: string;
  concurrency: number;
  started_at: string;
  heartbeat_at: string;
  stopping: boolean;
  stopped_at?: string | null;
  state: 'working' | 'stopping' | 'stopped' | 'lost';
  running: number;
}

/** A key an SFTP server showed. */
export interface KnownHostView {
  host: string;
  port: number;
  algorithm: string;
  fingerprint: string;
  public_key: string;
  trusted: boolean;
  seen_at: string;
  approved_by?: string | null;
}

/** One start of a run. */
export interface Attempt {
  epoch: number;
  worker_id: string;
  started_at: string;
  finished_at?: string | null;
  outcome?: string | null;
  error_code?: string | null;
  error?: string | null;
}

/** A page of runs, and how many there are in each state. */
export interface RunPage extends Page<Run> {
  counts: Partial<Record<RunState, number>>;
}

/** A row that was not loaded, and why. */
export interface QuarantinedRow {
  id: number;
  run_id: string;
  file: string;
  line: number;
  column?: string | null;
  code: string;
  reason: string;
  raw: string;
  at: string;
}

/** Some rows of a target table. */
export interface DataPage {
  columns: string[];
  types: string[];
  rows: Record<string, unknown>[];
  total?: number | null;
  next?: string | null;
}

/** How things stand. */
export interface Overview {
  queued: number;
  oldest_queued_seconds: number;
  running: number;
  succeeded_24h: number;
  failed_24h: number;
  rows_inserted_24h: number;
  workers_alive: number;
  slots: number;
  days: { day: string; rows_inserted: number; succeeded: number; failed: number }[];
  next_runs: { schedule_id: string; name: string; at: string }[];
  alerts: string[];
}

export type ScheduleState = 'waiting' | 'active' | 'stopping' | 'stopped' | 'missed' | 'done';

/** What runs a pipeline by itself. */
export interface Schedule {
  id: string;
  config_id: number;
  name: string;
  state: ScheduleState;
  reason?: string | null;
  trigger: string;
  start_at?: string | null;
  end_at?: string | null;
  timezone: string;
  cron?: string | null;
  overlap: string;
  catch_up: string;
  monitor: boolean;
  interval_seconds?: number | null;
  paused: boolean;
  next_tick_at?: string | null;
  next_run_at?: string | null;
  upcoming: string[];
  last_tick_at?: string | null;
  last_tick_worker?: string | null;
  last_tick_error?: string | null;
  skipped: number;
  ticks: number;
  created_by: string;
  created_at: string;
  updated_at: string;
}

/** A new schedule. What is left out is as the config says. */
export interface CreateSchedule {
  config_id: number;
  start_at?: string;
  end_at?: string;
  cron?: string;
  timezone?: string;
  overlap?: 'skip' | 'queue';
  catch_up?: 'latest' | 'all' | 'none';
  monitor?: boolean;
}

/** What a trigger started. */
export interface TriggerAnswer {
  message: string;
  run_id: string;
  config_id: number;
  version: number;
  schedule_id?: string;
  warnings: FieldProblem[];
}
