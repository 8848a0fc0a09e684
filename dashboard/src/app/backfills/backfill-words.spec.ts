import { BackfillView, BackfillWindow } from '../core/api/models';
import {
  canCancel,
  canResume,
  percentOf,
  progressWords,
  rowsWords,
  windowState,
  windowWords,
} from './backfill-words';

const WINDOWS = { total: 12, waiting: 4, running: 2, succeeded: 5, failed: 1, stopped: 0 };

function backfill(
  state: BackfillView['state'],
  windows: Partial<BackfillView['windows']> = {},
): BackfillView {
  return { state, windows: { ...WINDOWS, ...windows } } as BackfillView;
}

describe('words of backfills', () => {
  it('show days, and the time where a window does not begin at midnight', () => {
    expect(windowWords({ from: '2024-01-01T00:00:00Z', to: '2024-02-01T00:00:00Z' })).toBe(
      '2024-01-01 to 2024-02-01',
    );
    expect(windowWords({ from: '2024-01-01T00:00:00Z', to: '2024-01-01T06:30:00Z' })).toBe(
      '2024-01-01 00:00 UTC to 2024-01-01 06:30 UTC',
    );
  });

  it('count the windows by what has become of them', () => {
    expect(progressWords(backfill('running'))).toBe(
      '5 of 12 windows loaded · 2 at work or queued · 1 failed · 4 waiting',
    );
    const done = { total: 1, waiting: 0, running: 0, succeeded: 1, failed: 0 };
    expect(progressWords(backfill('succeeded', done))).toBe('1 of 1 window loaded');
    const rows = { rows_read: 1440, rows_inserted: 1, rows_updated: 0 };
    expect(rowsWords(rows)).toBe('1,440 rows read, 1 new');
    expect(rowsWords({ ...rows, rows_updated: 3 })).toBe('1,440 rows read, 1 new, 3 updated');
    expect(percentOf(backfill('running'))).toBeCloseTo(41.67, 1);
    expect(percentOf(backfill('running', { total: 0 }))).toBe(0);
  });

  it('offer only what the server would do', () => {
    expect(
      ['running', 'canceling', 'succeeded', 'failed', 'canceled'].map((state) => [
        canCancel(backfill(state as BackfillView['state'])),
        canResume(backfill(state as BackfillView['state'])),
      ]),
    ).toEqual([
      [true, true],
      [false, false],
      [false, false],
      [false, true],
      [false, true],
    ]);
    expect(canResume(backfill('running', { failed: 0 }))).toBe(false);
    expect(canResume(backfill('running', { failed: 0, stopped: 1 }))).toBe(true);
  });

  it('show the state of the run that a window has', () => {
    const window = (state: BackfillWindow['state'], run?: BackfillWindow['run_state']): BackfillWindow =>
      ({ state, run_state: run }) as BackfillWindow;
    expect(windowState(window('running', 'queued'))).toBe('queued');
    expect(windowState(window('running', 'running'))).toBe('running');
    expect(windowState(window('waiting', 'failed'))).toBe('waiting');
    expect(windowState(window('succeeded'))).toBe('succeeded');
  });
});
