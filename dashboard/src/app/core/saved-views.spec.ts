import { TestBed } from '@angular/core/testing';

import { MOST_VIEWS, SavedViews, addressOf, filtersIn } from './saved-views';
import { Session } from './session';

function logIn(name: string): void {
  const payload = btoa(JSON.stringify({ sub: name, exp: 4_000_000_000 }));
  TestBed.inject(Session).begin(`x.${payload}.x`, 'admin');
}

describe('saved views', () => {
  beforeEach(() => localStorage.clear());

  it('are those of the user who is logged in, by name, and stay in the browser', () => {
    logIn('ann');
    const views = TestBed.inject(SavedViews);
    expect(views.put('runs', { name: 'late', query: 'state=queued' })).toBe(true);
    expect(views.put('runs', { name: 'broken', query: 'state=failed' })).toBe(true);
    expect(views.put('runs', { name: 'late', query: 'state=running' })).toBe(true);
    expect(views.all().runs).toEqual([
      { name: 'broken', query: 'state=failed' },
      { name: 'late', query: 'state=running' },
    ]);
    expect(views.all().audit).toEqual([]);
    logIn('bob');
    expect(views.all().runs).toEqual([]);
    logIn('ann');
    expect(views.all().runs).toHaveLength(2);
  });

  it('are renamed and deleted, and what another tab saved meanwhile is not lost', () => {
    logIn('ann');
    const views = TestBed.inject(SavedViews);
    views.put('logs', { name: 'errors', query: 'level=ERROR' });
    expect(views.all().logs).toHaveLength(1);
    const other = { logs: [...views.all().logs, { name: 'loads', query: 'text=loaded' }] };
    localStorage.setItem('elt.views.ann', JSON.stringify(other));
    expect(views.rename('logs', 'errors', 'only errors')).toBe(true);
    expect(views.all().logs.map(({ name }) => name)).toEqual(['loads', 'only errors']);
    expect(views.remove('logs', 'loads')).toBe(true);
    expect(views.all().logs).toEqual([{ name: 'only errors', query: 'level=ERROR' }]);
  });

  it('are at most 20 for a page', () => {
    logIn('ann');
    const views = TestBed.inject(SavedViews);
    for (let at = 0; at < MOST_VIEWS; at++)
      expect(views.put('audit', { name: `${at}`, query: 'a' })).toBe(true);
    expect(views.put('audit', { name: 'one more', query: 'a' })).toBe(false);
    expect(views.put('audit', { name: '0', query: 'actor=ann' })).toBe(true);
    expect(views.put('logs', { name: 'elsewhere', query: 'level=ERROR' })).toBe(true);
    expect(views.all().audit).toHaveLength(MOST_VIEWS);
  });

  it('skip stored values that are not views', () => {
    logIn('ann');
    const stored = {
      runs: [{ name: 'good', query: '' }, { name: 1 }, null, { name: 'x'.repeat(61), query: '' }],
      logs: 1,
    };
    localStorage.setItem('elt.views.ann', JSON.stringify(stored));
    expect(TestBed.inject(SavedViews).all().runs).toEqual([{ name: 'good', query: '' }]);
    localStorage.setItem('elt.views.bob', 'garbage');
    logIn('bob');
    expect(TestBed.inject(SavedViews).all().logs).toEqual([]);
  });
});

describe('the filters of a page', () => {
  it('are the same text in whatever order the address has them, without what is not a filter', () => {
    const query = filtersIn('logs', new URLSearchParams('text=a%26b&follow=live&level=ERROR&run='));
    expect(query).toBe('level=ERROR&text=a%26b');
    expect(filtersIn('logs', new URLSearchParams('level=ERROR&text=a%26b'))).toBe(query);
  });

  it('are shown by an address that clears the others', () => {
    expect(addressOf('logs', 'text=a%26b')).toEqual({ run: null, request: null, level: null, text: 'a&b' });
  });
});
