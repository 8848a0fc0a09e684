import { DOCUMENT, DestroyRef, Signal, computed, effect, inject, signal, untracked } from '@angular/core';
import { Observable, Subscription } from 'rxjs';

import { Connection } from './connection';
import { Problem, isPassing, toProblem } from './problem';

/** What a page knows of something on the server. The last good value stays while it is asked for again. */
export interface Query<T> {
  readonly value: Signal<T | undefined>;
  readonly problem: Signal<Problem | undefined>;
  readonly loading: Signal<boolean>;
  /** When the value arrived, in milliseconds since 1970. */
  readonly at: Signal<number | undefined>;
  reload(): void;
  /** Changes the value here, until the server is asked again. */
  patch(change: (value: T) => T): void;
}

export interface QueryOptions {
  /** Asks again after so many milliseconds, while the tab is visible. 0: never. */
  every?: number | (() => number);
}

const AFTER_SILENCE = 4000;

/**
 * Asks the server whenever `params` changes. Needs an injection context.
 *
 * A change of params drops the old value only when `params` itself becomes undefined; a page that wants an empty
 * table between two filters looks at `loading`.
 */
export function query<P, T>(
  params: () => P | undefined,
  load: (params: P) => Observable<T>,
  options: QueryOptions = {},
): Query<T> {
  const document = inject(DOCUMENT);
  const connection = inject(Connection);
  const value = signal<T | undefined>(undefined);
  const problem = signal<Problem | undefined>(undefined);
  const loading = signal(false);
  const at = signal<number | undefined>(undefined);
  const wish = signal(0);
  const wanted = computed(params);
  let running: Subscription | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const interval = (): number =>
    typeof options.every === 'function' ? options.every() : (options.every ?? 0);
  const plan = (delay: number): void => {
    clearTimeout(timer);
    if (delay > 0) timer = setTimeout(again, delay);
  };
  const again = (): void => {
    // A hidden tab asks nothing; becoming visible asks at once.
    if (!document.hidden) wish.update((count) => count + 1);
  };

  effect(() => {
    wish();
    const now = wanted();
    running?.unsubscribe();
    clearTimeout(timer);
    if (now === undefined) {
      value.set(undefined);
      loading.set(false);
      return;
    }
    loading.set(true);
    running = untracked(() =>
      load(now).subscribe({
        next: (answer) => {
          value.set(answer);
          problem.set(undefined);
          at.set(Date.now());
          loading.set(false);
          plan(interval());
        },
        error: (error: unknown) => {
          const found = toProblem(error);
          problem.set(found);
          loading.set(false);
          plan(isPassing(found) ? AFTER_SILENCE : interval());
        },
      }),
    );
  });

  // Another rhythm counts from the last answer.
  effect(() => {
    const every = interval();
    untracked(() => {
      if (!loading()) plan(every === 0 ? 0 : Math.max(1, (at() ?? 0) + every - Date.now()));
    });
  });

  // Whoever hears from the server again tells the others.
  effect(() => {
    if (connection.online() && untracked(problem)?.status === 0) again();
  });

  const seen = (): void => {
    if (!document.hidden && (interval() > 0 || problem() !== undefined)) again();
  };
  document.addEventListener('visibilitychange', seen);
  inject(DestroyRef).onDestroy(() => {
    running?.unsubscribe();
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  });

  return {
    value,
    problem,
    loading,
    at,
    reload: () => wish.update((count) => count + 1),
    patch: (change) => value.update((now) => (now === undefined ? now : change(now))),
  };
}
