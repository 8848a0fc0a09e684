import { HttpErrorResponse } from '@angular/common/http';
import { signal } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { Subject } from 'rxjs';

import { Query, QueryOptions, query } from './query';

interface Params {
  table: string;
  page: number;
}

/** A query whose answers the test gives. */
function ask(options: QueryOptions<Params> = {}) {
  const params = signal<Params | undefined>({ table: 'airports', page: 1 });
  let answer = new Subject<string>();
  const asked: Query<string> = TestBed.runInInjectionContext(() =>
    query(
      () => params(),
      () => (answer = new Subject<string>()),
      options,
    ),
  );
  TestBed.tick();
  return {
    asked,
    say: (value: string) => answer.next(value),
    fail: (status: number) => answer.error(new HttpErrorResponse({ status })),
    change: (next: Params | undefined) => {
      params.set(next);
      // Before anything runs: what a template would see if it were drawn in this moment.
      const seen = { value: asked.value(), problem: asked.problem() };
      TestBed.tick();
      return seen;
    },
  };
}

const byTable: QueryOptions<Params> = { identity: ({ table }) => table };

describe('query', () => {
  it('drops the value in the moment something else is asked for', () => {
    const { asked, say, change } = ask();
    say('28,298 airports');
    expect(change({ table: 'movies', page: 1 }).value).toBeUndefined();
    expect(asked.value()).toBeUndefined();
    expect(asked.loading()).toBe(true);
    expect(asked.at()).toBeUndefined();
  });

  it('shows no value of the previous thing beside a failure', () => {
    const { asked, say, fail, change } = ask(byTable);
    say('28,298 airports');
    change({ table: 'missing', page: 1 });
    fail(404);
    expect(asked.value()).toBeUndefined();
    expect(asked.problem()?.status).toBe(404);
  });

  it('drops a failure when the params change', () => {
    const { asked, fail, change } = ask();
    fail(404);
    expect(change({ table: 'movies', page: 1 }).problem).toBeUndefined();
    expect(change(undefined).problem).toBeUndefined();
    expect(asked.loading()).toBe(false);
  });

  it('keeps a page while the next one of the same thing is on its way', () => {
    const { asked, say, change } = ask(byTable);
    say('page 1');
    expect(change({ table: 'airports', page: 2 }).value).toBe('page 1');
    say('page 2');
    expect(asked.value()).toBe('page 2');
  });

  it('shows no page beside the failure of another page', () => {
    const { asked, say, fail, change } = ask(byTable);
    say('page 1');
    change({ table: 'airports', page: 2 });
    fail(400);
    expect(asked.value()).toBeUndefined();
    change({ table: 'airports', page: 1 });
    expect(asked.problem()).toBeUndefined();
  });

  it('keeps the value when the same request fails', () => {
    const { asked, say, fail } = ask();
    say('page 1');
    asked.reload();
    TestBed.tick();
    fail(503);
    expect(asked.value()).toBe('page 1');
    expect(asked.problem()?.status).toBe(503);
  });

  it('changes only what is shown', () => {
    const { asked, say, change } = ask();
    say('28,298 airports');
    change({ table: 'movies', page: 1 });
    asked.patch(() => 'changed');
    expect(asked.value()).toBeUndefined();
    change({ table: 'airports', page: 1 });
    expect(asked.value()).toBe('28,298 airports');
  });
});
