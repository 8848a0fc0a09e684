import { DOCUMENT, DestroyRef, Signal, computed, effect, inject, signal, untracked } from '@angular/core';
import { Observable, Subscription } from 'rxjs';

import { Connection } from './connection';
import { Problem, isPassing, toProblem } from './problem';

/** A value from the server. It stays visible while the same request is repeated. */
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

export interface QueryOptions<P = unknown> {
  /** Milliseconds until the request is repeated, while the tab is visible. 0: never. */
  every?: number | (() => number);
  /**
   * The part of the params that names the thing asked for, such as an id. A value stays visible while another page or
   * order of the same thing loads, and disappears at once when the thing changes. Default: all of the params.
   */
  identity?: (params: P) => unknown;
}

/** The request that an answer or a failure belongs to. */
interface Outcome {
  /** All params of the request, as JSON. */
  question: string;
  /** The part of the params that names the thing, as JSON. */
  identity: string;
}

const AFTER_SILENCE = 4000;

/**
 * Asks the server whenever `params` changes. Needs an injection context.
 *
 * The value always belongs to the current params: a value of another identity is never visible, and after a failure
 * with new params no earlier value is left. A request with the same params keeps the value until the answer arrives,
 * and also when it fails, because the value is then old but not wrong.
 */
export function query<P, T>(
  params: () => P | undefined,
  load: (params: P) => Observable<T>,
  options: QueryOptions<P> = {},
): Query<T> {
  const document = inject(DOCUMENT);
  const connection = inject(Connection);
  const answer = signal<(Outcome & { value: T; at: number }) | undefined>(undefined);
  const failure = signal<(Outcome & { problem: Problem }) | undefined>(undefined);
  const loading = signal(false);
  const wish = signal(0);
  const wanted = computed(params);
  const asked = computed(() => outcomeOf(wanted(), options.identity));
  let running: Subscription | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const current = computed(() => {
    const [now, kept] = [asked(), answer()];
    if (now === undefined || kept?.identity !== now.identity) return undefined;
    const failed = failure()?.question === now.question && kept.question !== now.question;
    return failed ? undefined : kept;
  });
  const problem = computed(() => {
    const [now, failed] = [asked(), failure()];
    return now !== undefined && failed?.question === now.question ? failed.problem : undefined;
  });

  const interval = (): number =>
    typeof options.every === 'function' ? options.every() : (options.every ?? 0);
  const plan = (delay: number): void => {
    clearTimeout(timer);
    if (delay > 0) timer = setTimeout(again, delay);
  };
  const again = (): void => {
    // A hidden tab sends no requests. When it becomes visible, it sends one at once.
    if (!document.hidden) wish.update((count) => count + 1);
  };

  effect(() => {
    wish();
    const now = wanted();
    const outcome = asked();
    running?.unsubscribe();
    clearTimeout(timer);
    if (now === undefined || outcome === undefined) {
      loading.set(false);
      return;
    }
    loading.set(true);
    running = untracked(() =>
      load(now).subscribe({
        next: (value) => {
          answer.set({ ...outcome, value, at: Date.now() });
          failure.set(undefined);
          loading.set(false);
          plan(interval());
        },
        error: (error: unknown) => {
          const found = whileRepeated(toProblem(error));
          failure.set({ ...outcome, problem: found });
          loading.set(false);
          plan(isPassing(found) ? AFTER_SILENCE : interval());
        },
      }),
    );
  });

  const at = computed(() => current()?.at);
  // A changed interval counts from the last answer.
  effect(() => {
    const every = interval();
    untracked(() => {
      if (!loading()) plan(every === 0 ? 0 : Math.max(1, (at() ?? 0) + every - Date.now()));
    });
  });

  // When one query reaches the server again, those that failed repeat their requests at once.
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
    value: computed(() => current()?.value),
    problem,
    loading: loading.asReadonly(),
    at,
    reload: () => wish.update((count) => count + 1),
    patch: (change) => {
      // An answer of another identity is not what the caller sees, so it is not what the caller changes.
      if (untracked(current) === undefined) return;
      answer.update((kept) => kept && { ...kept, value: change(kept.value) });
    },
  };
}

/** A problem of a request that is repeated until it succeeds, so that nobody has to do anything. */
function whileRepeated(problem: Problem): Problem {
  if (problem.status === 0 || !isPassing(problem)) return problem;
  return { ...problem, nextStep: 'The page tries again by itself.' };
}

/** Params as JSON, because two objects with the same content are the same request. */
function outcomeOf<P>(params: P | undefined, identity: QueryOptions<P>['identity']): Outcome | undefined {
  if (params === undefined) return undefined;
  const question = JSON.stringify(params);
  return { question, identity: identity === undefined ? question : JSON.stringify(identity(params)) };
}
