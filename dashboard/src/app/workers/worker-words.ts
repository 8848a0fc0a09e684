import { WorkerView } from '../core/api/models';
import { plural } from '../core/format';

/** What can be done with a worker: drain it, or let it take runs again. `undefined`: it ends, or is gone. */
export function drainAction(worker: WorkerView): 'drain' | 'undrain' | undefined {
  if (isGone(worker) || worker.state === 'stopping') return undefined;
  return worker.drain_asked_at ? 'undrain' : 'drain';
}

/** Whether the process has ended or is lost. */
export function isGone(worker: WorkerView): boolean {
  return worker.state === 'stopped' || worker.state === 'lost';
}

/** Whether it takes the next run that is queued. */
export function takesRuns(worker: WorkerView): boolean {
  return worker.state === 'working' && !worker.takes_nothing_because;
}

/** Number of other workers that take runs from the queue of a worker. */
export function othersOf(worker: WorkerView, all: readonly WorkerView[]): number {
  return all.filter((other) => other.id !== worker.id && other.queue === worker.queue && takesRuns(other))
    .length;
}

/** What the drain of a worker does, as sentences. `others`: workers that take runs from the same queue. */
export function drainWords(worker: WorkerView, others: number): string {
  const runs =
    worker.running === 0
      ? 'It has no run now.'
      : `It finishes the ${plural(worker.running, 'run')} that it has.`;
  const rest =
    others === 0
      ? ' No other worker of its queue takes runs now, so queued runs wait.'
      : ' Other workers go on with the queue.';
  return `It takes no new runs, until you undrain it or its process ends. ${runs}${rest}`;
}
