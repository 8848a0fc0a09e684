import { TestBed } from '@angular/core/testing';
import { Observable, of, throwError } from 'rxjs';
import { signal } from '@angular/core';

import { Page } from './api/models';
import { paged } from './paged';

interface Item {
  id: number;
}

/** A server with items 9…1, newest first, two a page. */
function serve(newest: () => number, cursor?: string): Observable<Page<Item>> {
  const from = cursor === undefined ? newest() : Number(cursor);
  const data = [from, from - 1].filter((id) => id > 0).map((id) => ({ id }));
  return of({ data, next: from > 2 ? String(from - 2) : null });
}

describe('paged', () => {
  it('adds older pages, and keeps them when the first page moves on', () => {
    let newest = 5;
    const list = TestBed.runInInjectionContext(() =>
      paged(
        () => 'all',
        (_, cursor) => serve(() => newest, cursor),
        (item) => item.id,
      ),
    );
    const ids = () => list.items()?.map((item) => item.id);
    TestBed.tick();
    expect(ids()).toEqual([5, 4]);
    list.loadMore();
    expect(ids()).toEqual([5, 4, 3, 2]);
    newest = 7;
    list.first.reload();
    TestBed.tick();
    expect(ids()).toEqual([7, 6, 5, 4, 3, 2]);
    list.loadMore();
    expect(ids()).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(list.hasMore()).toBe(false);
  });

  it('takes a deleted item out of whichever page it is on', () => {
    const list = TestBed.runInInjectionContext(() =>
      paged(
        () => 'all',
        (_, cursor) => serve(() => 5, cursor),
        (item) => item.id,
      ),
    );
    TestBed.tick();
    list.loadMore();
    list.remove({ id: 2 });
    list.remove({ id: 5 });
    list.remove({ id: 9 });
    expect(list.items()?.map((item) => item.id)).toEqual([4, 3]);
  });

  it('starts over when the question changes', () => {
    const question = signal('a');
    const list = TestBed.runInInjectionContext(() =>
      paged(
        () => question(),
        (_, cursor) => serve(() => 5, cursor),
        (item) => item.id,
      ),
    );
    TestBed.tick();
    list.loadMore();
    question.set('b');
    expect(list.items()).toBeUndefined();
    expect(list.hasMore()).toBe(false);
    TestBed.tick();
    expect(list.items()).toHaveLength(2);
  });

  it('keeps what is there when older items cannot be read', () => {
    const list = TestBed.runInInjectionContext(() =>
      paged(
        () => 'all',
        (_, cursor) => (cursor === undefined ? serve(() => 5) : throwError(() => new Error('away'))),
        (item) => item.id,
      ),
    );
    TestBed.tick();
    list.loadMore();
    expect(list.items()).toHaveLength(2);
    expect(list.moreProblem()?.code).toBe('unexpected');
    expect(list.loadingMore()).toBe(false);
  });
});
