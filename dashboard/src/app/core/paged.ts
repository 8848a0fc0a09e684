import { DestroyRef, Signal, computed, effect, inject, linkedSignal, signal, untracked } from '@angular/core';
import { Observable, Subscription } from 'rxjs';

import { Page } from './api/models';
import { Problem, toProblem } from './problem';
import { Query, QueryOptions, query } from './query';

/** A list that is read page by page. The first page refreshes by itself; older pages are added below it. */
export interface Paged<T, G extends Page<T> = Page<T>> {
  /** The first page as a query, for its waiting state, its problem and reloading. */
  readonly first: Query<G>;
  readonly items: Signal<readonly T[] | undefined>;
  readonly hasMore: Signal<boolean>;
  readonly loadingMore: Signal<boolean>;
  readonly moreProblem: Signal<Problem | undefined>;
  loadMore(): void;
  /** Changes an item here, until the server is asked again. */
  replace(item: T): void;
  /** Takes an item out of the list, because the server has deleted it. */
  remove(item: T): void;
}

/** Reads a list page by page. Needs an injection context. */
export function paged<P, T, G extends Page<T> = Page<T>>(
  params: () => P | undefined,
  load: (params: P, cursor?: string) => Observable<G & Page<T>>,
  key: (item: T) => unknown,
  options: QueryOptions<P> = {},
): Paged<T, G & Page<T>> {
  const wanted = computed(params);
  const first = query(wanted, (now) => load(now), options);
  const question = computed(() => JSON.stringify(wanted()));
  // Pages of an earlier query are never shown below those of another one.
  const older = linkedSignal<unknown, readonly T[]>({ source: question, computation: () => [] });
  const cursor = linkedSignal<unknown, string | undefined>({
    source: question,
    computation: () => undefined,
  });
  const loadingMore = signal(false);
  const moreProblem = signal<Problem | undefined>(undefined);
  let running: Subscription | undefined;

  effect(() => {
    question();
    running?.unsubscribe();
    loadingMore.set(false);
    moreProblem.set(undefined);
  });

  const items = computed(() => {
    const page = first.value();
    if (page === undefined || older().length === 0) return page?.data;
    const known = new Set(page.data.map(key));
    return [...page.data, ...older().filter((item) => !known.has(key(item)))];
  });
  const next = computed(() => (older().length === 0 ? first.value()?.next : cursor()) ?? undefined);

  inject(DestroyRef).onDestroy(() => running?.unsubscribe());
  return {
    first,
    items,
    hasMore: computed(() => next() !== undefined),
    loadingMore,
    moreProblem,
    loadMore: () => {
      const now = untracked(wanted);
      const from = untracked(next);
      if (now === undefined || from === undefined || untracked(loadingMore)) return;
      const shown = untracked(items) ?? [];
      loadingMore.set(true);
      running = load(now, from).subscribe({
        next: (page) => {
          // What is shown now stays, even after newer items have pushed it off the first page.
          older.set([...shown, ...page.data]);
          cursor.set(page.next ?? undefined);
          loadingMore.set(false);
          moreProblem.set(undefined);
        },
        error: (error: unknown) => {
          moreProblem.set(toProblem(error));
          loadingMore.set(false);
        },
      });
    },
    replace: (item) => {
      const swap = (list: readonly T[]): T[] => list.map((one) => (key(one) === key(item) ? item : one));
      older.update(swap);
      first.patch((page) => ({ ...page, data: swap(page.data) }));
    },
    remove: (item) => {
      const others = (list: readonly T[]): T[] => list.filter((one) => key(one) !== key(item));
      older.update(others);
      first.patch((page) => ({ ...page, data: others(page.data) }));
    },
  };
}
