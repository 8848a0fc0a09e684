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

/** What the drain of a worker does, as sentences. */
export function drainWords(worker: WorkerView, others: number): string {
  const runs =
    worker.running === 0
      ? 'It has no run now.'
      : `It finishes the ${plural(worker.running, 'run')} that it has.`;
  const rest =
    others === 0
      ? ' No other worker takes runs now, so queued runs wait.'
      : ' Other workers go on with the queue.';
  return `It takes no new runs, until you undrain it or its process ends. ${runs}${rest}`;
}

/** A sentence of the server, with a capital letter at its start. */
export function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
