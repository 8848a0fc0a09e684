import { Run, RunKind, RunState, Trigger } from '../core/api/models';
import { plural } from '../core/format';

/** A state of a run as it is shown, which says more than the state alone. */
export type ShownState =
  RunState | 'waiting' | 'stopping' | 'clean' | 'with_warnings' | 'nothing_loaded' | 'nothing_usable';

// A tab that is older than the server may meet kinds and triggers that it does not know.
const KINDS: Record<RunKind, string> & Record<string, string | undefined> = {
  run: 'Run',
  plan: 'Plan',
  check: 'Check',
  test_connection: 'Connection test',
  replay: 'Replay',
  undo: 'Undo',
  verify: 'Verification',
};

const TRIGGERS: Record<Trigger, string> & Record<string, string | undefined> = {
  manual: 'Manual',
  schedule: 'Schedule',
  file_change: 'Changed source',
  retry: 'Retry',
};

export function kindWord(kind: string): string {
  return KINDS[kind] ?? kind;
}

export function triggerWord(trigger: string): string {
  return TRIGGERS[trigger] ?? trigger;
}

/** What stands before the name of the table: a run loads into it, and the other kinds only have to do with it. */
export function tableWord(kind: string): string {
  return kind === 'run' || kind === 'replay' ? 'into' : 'table';
}

/** Kinds of run that read the sources, so that they know the columns. */
export function hasColumns(kind: string): boolean {
  return ['run', 'replay', 'plan', 'check'].includes(kind);
}

/** Whether a run may have a profile of its columns: it loaded rows, or ended after it could. */
export function hasProfile({ kind, state }: Pick<Run, 'kind' | 'state'>): boolean {
  return (kind === 'run' || kind === 'replay') && state === 'succeeded';
}

/** Kinds of run that add rows to the table or remove rows from it. */
const LOADING = new Set<RunKind>(['run', 'replay', 'undo']);

/** What the shown state of a run is made of. */
type Shown = Pick<Run, 'state' | 'kind' | 'outcome' | 'not_before' | 'waits_for' | 'stop_requested_at'>;

/** The state as it is shown: refined by the outcome of a run that succeeded, and by what a queued run waits for. */
export function shownState(run: Shown, now: number = Date.now()): ShownState {
  if (run.state === 'succeeded') return shownOutcome(run);
  if (run.state === 'running' && run.stop_requested_at) return 'stopping';
  const later = run.not_before ? Date.parse(run.not_before) > now : false;
  return run.state === 'queued' && (later || run.waits_for) ? 'waiting' : run.state;
}

function shownOutcome(run: Shown): ShownState {
  switch (run.outcome) {
    case 'clean':
    case 'with_warnings':
      return run.outcome;
    case 'nothing_loaded':
      return LOADING.has(run.kind) ? 'nothing_loaded' : 'nothing_usable';
    // A run of an early release has no outcome.
    default:
      return 'succeeded';
  }
}

/** The rows and files that a run did not load: `248 rows rejected · 1 file skipped`. `undefined` when it loaded all. */
export function lossWords(run: Run): string | undefined {
  const parts = [];
  if (run.rows_quarantined) parts.push(`${plural(run.rows_quarantined, 'row')} rejected`);
  if (run.files_left_out) parts.push(`${plural(run.files_left_out, 'file')} skipped`);
  return parts.length === 0 ? undefined : parts.join(' · ');
}

/** The colour that stands for the state and outcome of a run. */
export function toneOf(run: Run): 'good' | 'warn' | 'bad' | 'live' | 'calm' {
  switch (shownState(run)) {
    case 'succeeded':
    case 'clean':
      return 'good';
    case 'with_warnings':
      return 'warn';
    case 'nothing_loaded':
    case 'nothing_usable':
    case 'failed':
      return 'bad';
    case 'running':
      return 'live';
    default:
      return 'calm';
  }
}

export function isOver(run: Run): boolean {
  return run.state === 'succeeded' || run.state === 'failed' || run.state === 'stopped';
}

export function canStop(run: Run): boolean {
  return !isOver(run) && !run.stop_requested_at;
}

/**
 * Whether a run can be repeated by itself. That of a backfill is repeated when the backfill is resumed, and that of one of
 * several tables with the run of all of them.
 */
export function canRetry(run: Run): boolean {
  if (run.backfill_id || run.part_of) return false;
  return run.state === 'failed' || run.state === 'stopped';
}

/** Whether a run added rows, which can be removed again. The server knows whether the table still allows it. */
export function canUndo(run: Run): boolean {
  return (
    run.state === 'succeeded' && (run.kind === 'run' || run.kind === 'replay') && (run.rows_inserted ?? 0) > 0
  );
}

/** Whether a run loaded, so that the table and its sources can be compared with what it loaded. */
export function canVerify(run: Run): boolean {
  // Several tables are verified by the runs that loaded them.
  if (run.report?.tables?.length) return false;
  return run.state === 'succeeded' && (run.kind === 'run' || run.kind === 'replay');
}

/** The table that a run loads into, as the end of "into …". Braces stand for a part of each file's name. */
export function intoWords(table: string): string {
  return table.includes('{') ? `a table for each file, ${table}` : table;
}

/** Milliseconds from the first start of a run to its end, or to now. `undefined` before it started. */
export function tookMs(run: Run, now: number = Date.now()): number | undefined {
  if (!run.started_at) return undefined;
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  return Math.max(0, end - Date.parse(run.started_at));
}

/** What a queued run waits for, or what must happen first, as a line of a list. */
export function waitLine(run: Run): string | undefined {
  if (run.state !== 'queued' || !run.waits_for) return undefined;
  return isPaused(run) ? `Starts once someone resumes ${run.waits_for}` : `Waits for ${run.waits_for}`;
}

/** Whether the words of the wait name a pause. While it is unknown whether a run loaded, they name its target. */
function isPaused(run: Run): boolean {
  return run.held === 'paused' && !run.unknown_since;
}

/** When a queued run tries again: an instant, or `soon` once that has passed. `undefined` when something else wakes it. */
export function nextTry(run: Run, now: number): { at: string } | 'soon' | undefined {
  const at = run.state === 'queued' ? run.waiting?.next_at : undefined;
  if (!at) return undefined;
  return Date.parse(at) > now ? { at } : 'soon';
}

/** Since when a run at work shows no progress. `undefined` while it does, and in other states. */
export function silentSince(run: Run): string | undefined {
  return run.state === 'running' ? (run.silent_since ?? undefined) : undefined;
}

/** Why a queued run does not run yet, as a sentence. */
export function whyWaiting(run: Run, workersAlive: number | undefined, now: number): string | undefined {
  if (run.state !== 'queued') return undefined;
  if (run.not_before && Date.parse(run.not_before) > now) return 'It waits for its start time.';
  if (run.waits_for) {
    return isPaused(run)
      ? `It is paused. It starts once someone resumes ${run.waits_for}.`
      : `It waits for ${run.waits_for}.`;
  }
  if (workersAlive === 0)
    return 'No worker is alive. Start one with `elt worker`, and this run starts by itself.';
  return 'It waits for a worker to take it.';
}
