import { WorkerView } from '../core/api/models';
import { drainAction, drainWords, isGone, othersOf, takesRuns } from './worker-words';

function worker(change: Partial<WorkerView>): WorkerView {
  return {
    id: 'w1',
    host: 'loader-1',
    pid: 7,
    version: '0.1.0',
    queue: 'elt',
    concurrency: 2,
    started_at: '2026-11-25T10:00:00Z',
    heartbeat_at: '2026-11-25T10:00:00Z',
    stopping: false,
    state: 'working',
    running: 0,
    ...change,
  };
}

describe('worker words', () => {
  it('drain what works, undrain what was drained, and leave alone what ends or is gone', () => {
    const drain_asked_at = '2026-11-25T10:00:00Z';
    expect(drainAction(worker({}))).toBe('drain');
    expect(drainAction(worker({ state: 'draining', drain_asked_at }))).toBe('undrain');
    expect(drainAction(worker({ state: 'drained', drain_asked_at }))).toBe('undrain');
    expect(drainAction(worker({ state: 'stopping', drain_asked_at }))).toBeUndefined();
    expect(drainAction(worker({ state: 'lost' }))).toBeUndefined();
    expect(drainAction(worker({ state: 'stopped', drain_asked_at }))).toBeUndefined();
  });

  it('tell workers that take runs from those that do not', () => {
    expect(takesRuns(worker({}))).toBe(true);
    expect(takesRuns(worker({ takes_nothing_because: 'the data folder is full' }))).toBe(false);
    expect(takesRuns(worker({ state: 'draining' }))).toBe(false);
    expect(isGone(worker({ state: 'lost' }))).toBe(true);
    expect(isGone(worker({ state: 'drained' }))).toBe(false);
  });

  it('say what a drain does, and that queued runs wait when nobody else takes them', () => {
    expect(drainWords(worker({ running: 1 }), 2)).toContain(
      'It finishes the 1 run that it has. Other workers',
    );
    expect(drainWords(worker({}), 0)).toContain('queued runs wait');
  });

  it('count only the others that take runs from the same queue', () => {
    const one = worker({ id: 'w1', queue: 'nightly' });
    const all = [
      one,
      worker({ id: 'w2' }),
      worker({ id: 'w3', queue: 'nightly', state: 'draining' }),
      worker({ id: 'w4', queue: 'nightly', takes_nothing_because: 'the data folder is full' }),
    ];
    expect(othersOf(one, all)).toBe(0);
    expect(othersOf(one, [...all, worker({ id: 'w5', queue: 'nightly' })])).toBe(1);
  });
});
