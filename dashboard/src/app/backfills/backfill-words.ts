import { BackfillView, BackfillWindow } from '../core/api/models';
import { count, plural } from '../core/format';

/** `2024-01-01 to 2024-02-01`; with the times when one of them is not midnight UTC. */
export function windowWords({ from, to }: { from: string; to: string }): string {
  const ends = [from, to].map((at) => new Date(at).toISOString());
  const days = ends.every((at) => at.endsWith('T00:00:00.000Z'));
  const text = (at: string): string => (days ? at.slice(0, 10) : `${at.slice(0, 16).replace('T', ' ')} UTC`);
  return ends.map(text).join(' to ');
}

/** Whether a backfill can be canceled. */
export function canCancel(backfill: BackfillView): boolean {
  return backfill.state === 'running';
}

/** Whether a resume would load anything. */
export function canResume({ state, windows }: BackfillView): boolean {
  if (state === 'failed' || state === 'canceled') return true;
  return state === 'running' && windows.failed + windows.stopped > 0;
}

/** The part of the windows that are loaded, 0 to 100. */
export function percentOf({ windows }: BackfillView): number {
  return windows.total === 0 ? 0 : (windows.succeeded / windows.total) * 100;
}

/** `5 of 12 windows loaded · 2 at work or queued · 1 failed`. */
export function progressWords({ windows }: BackfillView): string {
  const parts = [`${count(windows.succeeded)} of ${plural(windows.total, 'window')} loaded`];
  if (windows.running > 0) parts.push(`${count(windows.running)} at work or queued`);
  if (windows.failed > 0) parts.push(`${count(windows.failed)} failed`);
  if (windows.stopped > 0) parts.push(`${count(windows.stopped)} stopped`);
  if (windows.waiting > 0) parts.push(`${count(windows.waiting)} waiting`);
  return parts.join(' · ');
}

/** `1,440 rows read, 1,440 new, 3 updated`. */
export function rowsWords(
  backfill: Pick<BackfillView, 'rows_read' | 'rows_inserted' | 'rows_updated'>,
): string {
  const parts = [`${plural(backfill.rows_read, 'row')} read`, `${count(backfill.rows_inserted)} new`];
  if (backfill.rows_updated > 0) parts.push(`${count(backfill.rows_updated)} updated`);
  return parts.join(', ');
}

/** The state of a window as it is shown: while it has a run, that of the run. */
export function windowState({ state, run_state: run }: BackfillWindow): string {
  return state === 'running' ? (run ?? state) : state;
}
