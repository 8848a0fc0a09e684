import { DestroyRef, Signal, effect, inject, signal, untracked } from '@angular/core';
import { Subscription, merge } from 'rxjs';

import { LogsApi } from '../core/api/logs';
import { LogLine } from '../core/api/models';
import { Refused } from '../core/event-stream';
import { Problem, toProblem } from '../core/problem';
import { mergeLines } from '../logs/log-buffer';

/** Lines shown of each run. */
export const SHOWN_LINES = 5;

/** The newest log lines of several runs. */
export interface LastLines {
  /** The lines of a run, the newest last. */
  of(run: string): readonly LogLine[];
  /** Whether the connection broke and is being restored. */
  readonly lost: Signal<boolean>;
  /** Why lines cannot be read. */
  readonly problem: Signal<Problem | undefined>;
}

/**
 * The newest log lines of several runs, as they are written. Needs an injection context.
 *
 * One stream of the whole log serves all runs, because a browser keeps only a few connections to a server.
 */
export function lastLines(runs: Signal<readonly string[]>): LastLines {
  const api = inject(LogsApi);
  const lines = signal<ReadonlyMap<string, readonly LogLine[]>>(new Map());
  const lost = signal(false);
  const problem = signal<Problem | undefined>(undefined);
  let reading: Subscription | undefined;

  const add = (fresh: readonly LogLine[]): void =>
    lines.update((known) => withLines(known, fresh, untracked(runs)));
  const listen = (wanted: readonly string[]): void => {
    reading?.unsubscribe();
    lines.set(new Map());
    lost.set(false);
    problem.set(undefined);
    if (wanted.length === 0) return;
    const fail = { error: (error: unknown) => problem.set(toProblem(error)) };
    reading = new Subscription();
    const read = (): void => {
      problem.set(undefined);
      const before = wanted.map((run_id) => api.search({ run_id }, SHOWN_LINES));
      reading?.add(merge(...before).subscribe({ next: (page) => add(page.data), ...fail }));
    };
    read();
    reading.add(
      api.follow({}).subscribe({
        next: (heard) => {
          if (typeof heard !== 'string') add([heard]);
          else if (lost() !== (heard === 'lost')) {
            lost.set(heard === 'lost');
            // Lines that were written meanwhile.
            if (heard !== 'lost') read();
          }
        },
        error: (error: unknown) =>
          problem.set(error instanceof Refused && error.status === 429 ? TOO_MANY : toProblem(error)),
      }),
    );
  };
  effect(() => {
    const wanted = runs();
    untracked(() => listen(wanted));
  });
  inject(DestroyRef).onDestroy(() => reading?.unsubscribe());
  return { of: (run) => lines().get(run) ?? [], lost: lost.asReadonly(), problem: problem.asReadonly() };
}

const TOO_MANY: Problem = {
  status: 429,
  code: '',
  sentence: 'The server sends no new log lines to this page: too many streams are open.',
  nextStep: 'Close other tabs, then reload this page. The runs themselves are followed all the same.',
  faults: [],
};

/** The newest lines of each wanted run, after more lines arrived. The same map when none of them is about such a run. */
export function withLines(
  known: ReadonlyMap<string, readonly LogLine[]>,
  fresh: readonly LogLine[],
  wanted: readonly string[],
): ReadonlyMap<string, readonly LogLine[]> {
  const about = wanted.filter((run) => fresh.some((line) => line.run_id === run));
  if (about.length === 0) return known;
  const next = new Map(known);
  for (const run of about) {
    const own = fresh.filter((line) => line.run_id === run);
    next.set(run, mergeLines(known.get(run) ?? [], own).slice(-SHOWN_LINES));
  }
  return next;
}
