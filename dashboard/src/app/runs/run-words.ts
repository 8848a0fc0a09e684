import { Run } from '../core/api/models';

const KINDS: Record<string, string> = {
  run: 'Run',
  plan: 'Plan',
  check: 'Check',
  test_connection: 'Connection test',
  replay: 'Replay',
  undo: 'Undo',
};

const TRIGGERS: Record<string, string> = {
  manual: 'By hand',
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

/** The state people see: a queued run that waits for its time or for another run says so. */
export function shownState(run: Run, now: number = Date.now()): string {
  if (run.state === 'running' && run.stop_requested_at) return 'stopping';
  const later = run.not_before ? Date.parse(run.not_before) > now : false;
  return run.state === 'queued' && (later || run.waits_for) ? 'waiting' : run.state;
}

export function isOver(run: Run): boolean {
  return run.state === 'succeeded' || run.state === 'failed' || run.state === 'stopped';
}

export function canStop(run: Run): boolean {
  return !isOver(run) && !run.stop_requested_at;
}

export function canRetry(run: Run): boolean {
  return run.state === 'failed' || run.state === 'stopped';
}

/** Only rows that were added can be taken back; the server knows whether the table still allows it. */
export function canUndo(run: Run): boolean {
  return (
    run.state === 'succeeded' && (run.kind === 'run' || run.kind === 'replay') && (run.rows_inserted ?? 0) > 0
  );
}

/** From its first start to its end, or to now; undefined before it started. */
export function tookMs(run: Run, now: number = Date.now()): number | undefined {
  if (!run.started_at) return undefined;
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  return Math.max(0, end - Date.parse(run.started_at));
}

/** Why a queued run does not run yet, as a sentence. */
export function whyWaiting(run: Run, workersAlive: number | undefined, now: number): string | undefined {
  if (run.state !== 'queued') return undefined;
  if (run.waits_for) return `It waits for ${run.waits_for}.`;
  if (run.not_before && Date.parse(run.not_before) > now) return 'It waits for its start time.';
  if (workersAlive === 0)
    return 'No worker is alive. Start one with `elt worker`; this run starts by itself then.';
  return 'It waits for a worker to take it.';
}
