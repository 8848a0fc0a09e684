import { QueueView } from '../core/api/models';
import { count, plural } from '../core/format';

/** The largest limit that the server accepts. */
export const LARGEST_LIMIT = 10_000;

/** The limit that a text means: a number of runs, or `null` for none. `undefined`: the text is neither. */
export function limitOf(text: string): number | null | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  const limit = /^\d+$/.test(trimmed) ? Number(trimmed) : 0;
  return limit >= 1 && limit <= LARGEST_LIMIT ? limit : undefined;
}

/** What can be done: pause the queue, or end its own pause. `undefined` while only everything is paused. */
export function queueAction(queue: QueueView): 'pause' | 'resume' | undefined {
  if (!queue.pause) return 'pause';
  return queue.pause.scope === 'queue' ? 'resume' : undefined;
}

/** Who takes its runs: `2 workers, 8 runs at a time`. */
export function workersWords(queue: QueueView): string {
  if (queue.workers === 0) return 'No worker takes its runs';
  return `${plural(queue.workers, 'worker')}, ${plural(queue.slots, 'run')} at a time`;
}

/** What waits on it: `12`, or `12, of them 3 held`. */
export function queuedWords(queue: QueueView): string {
  return queue.held > 0 ? `${count(queue.queued)}, of them ${count(queue.held)} held` : count(queue.queued);
}

/** What a new limit does, for the message about it. */
export function limitedWords(name: string, limit: number | null): string {
  return limit === null
    ? `The queue ${name} has no limit`
    : `At most ${plural(limit, 'run')} of the queue ${name} at a time`;
}
