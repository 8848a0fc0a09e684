import { PauseView, QueueView } from '../core/api/models';
import { limitOf, limitedWords, queueAction, queuedWords, workersWords } from './queue-words';

function queue(change: Partial<QueueView>): QueueView {
  return { name: 'elt', queued: 0, held: 0, running: 0, workers: 1, slots: 4, ...change };
}

function pause(scope: PauseView['scope']): PauseView {
  return { scope, name: scope === 'all' ? '' : 'elt', paused_at: '2026-11-25T10:00:00Z', paused_by: 'ann' };
}

describe('queue words', () => {
  it('read a limit, the removal of one, and nothing else', () => {
    expect(limitOf('4')).toBe(4);
    expect(limitOf(' 10000 ')).toBe(10_000);
    expect(limitOf('')).toBeNull();
    for (const text of ['0', '10001', '-1', '1.5', '1e3', 'two', '٣']) {
      expect(limitOf(text), text).toBeUndefined();
    }
  });

  it('offer to resume a queue only when it is paused itself', () => {
    expect(queueAction(queue({}))).toBe('pause');
    expect(queueAction(queue({ pause: pause('queue') }))).toBe('resume');
    expect(queueAction(queue({ pause: pause('all') }))).toBeUndefined();
  });

  it('say who takes runs and what waits', () => {
    expect(workersWords(queue({ workers: 0, slots: 0 }))).toBe('No worker takes its runs');
    expect(workersWords(queue({ workers: 2, slots: 8 }))).toBe('2 workers, 8 runs at a time');
    expect(queuedWords(queue({ queued: 12 }))).toBe('12');
    expect(queuedWords(queue({ queued: 12, held: 3 }))).toBe('12, of them 3 held');
    expect(limitedWords('elt', 1)).toBe('At most 1 run of the queue elt at a time');
    expect(limitedWords('elt', null)).toBe('The queue elt has no limit');
  });
});
