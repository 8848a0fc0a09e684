import { DOCUMENT, Injectable, computed, inject, signal } from '@angular/core';
import { Params } from '@angular/router';

import { Session } from './session';

/** Most views that a user may save for a page. */
export const MOST_VIEWS = 20;
/** Most characters of the name of a view. */
export const MOST_NAME = 60;
/** Most characters of the filters of a view, as they are in the address. */
export const MOST_QUERY = 2000;

/** A list whose filters can be saved, by its path. */
export type ViewPage = 'runs' | 'pipelines' | 'quarantine' | 'logs' | 'audit';

/** Filters with a name. */
export interface View {
  name: string;
  /** The filters as they are in the address: `state=failed&name=people`. */
  query: string;
}

/** The views of a user, by page. */
export type Views = Readonly<Record<ViewPage, readonly View[]>>;

/** What each page is called, and which parameters of its address are filters. */
export const VIEW_PAGES: Record<ViewPage, { label: string; filters: readonly string[] }> = {
  runs: {
    label: 'Runs',
    filters: [
      'state',
      'name',
      'search',
      'from',
      'to',
      'kind',
      'outcome',
      'config_id',
      'schedule_id',
      'parent_id',
    ],
  },
  pipelines: { label: 'Pipelines', filters: ['search'] },
  quarantine: { label: 'Quarantine', filters: ['run', 'config', 'code', 'column', 'open'] },
  logs: { label: 'Logs', filters: ['run', 'request', 'level', 'text'] },
  audit: { label: 'Audit', filters: ['actor', 'action', 'outcome', 'object', 'from', 'to'] },
};

/** The filters of a page that an address has, always in the same order. Empty: none. */
export function filtersIn(page: ViewPage, address: { get(name: string): string | null }): string {
  const filters = VIEW_PAGES[page].filters.map((name) => [name, address.get(name) ?? '']);
  return new URLSearchParams(filters.filter(([, value]) => value !== '')).toString();
}

/** The parameters of the address that show these filters of a page, and no others. */
export function addressOf(page: ViewPage, query: string): Params {
  const wanted = new URLSearchParams(query);
  return Object.fromEntries(VIEW_PAGES[page].filters.map((name) => [name, wanted.get(name)]));
}

/** The views that the user has saved, in the local storage of this browser, apart from those of other users. */
@Injectable({ providedIn: 'root' })
export class SavedViews {
  private readonly session = inject(Session);
  /** Raised by every change of what is stored. */
  private readonly changes = signal(0);
  private readonly key = computed(() => `elt.views.${this.session.username() ?? ''}`);

  /** The views by page, each page's by name. */
  readonly all = computed<Views>(() => {
    this.changes();
    return read(this.key());
  });

  constructor() {
    // What another tab saves is here as well.
    inject(DOCUMENT).defaultView?.addEventListener('storage', () => this.changes.update((all) => all + 1));
  }

  /** Saves a view in place of the one that has its name. False: the browser does not store it, or there are too many. */
  put(page: ViewPage, view: View): boolean {
    return this.change(page, (views) => [...views.filter(({ name }) => name !== view.name), view]);
  }

  /** Gives a view another name. False: the browser does not store it. */
  rename(page: ViewPage, from: string, to: string): boolean {
    const others = (views: readonly View[]): View[] =>
      views.filter(({ name }) => name !== from && name !== to);
    return this.change(page, (views) => {
      const view = views.find(({ name }) => name === from);
      return view === undefined ? views : [...others(views), { ...view, name: to }];
    });
  }

  /** Deletes a view. False: the browser does not store it. */
  remove(page: ViewPage, name: string): boolean {
    return this.change(page, (views) => views.filter((view) => view.name !== name));
  }

  private change(page: ViewPage, to: (views: readonly View[]) => readonly View[]): boolean {
    // Read again, because another tab may have saved a view that is not shown here yet.
    const stored = read(this.key());
    const views = to(stored[page]);
    if (views.length > MOST_VIEWS) return false;
    try {
      localStorage.setItem(this.key(), JSON.stringify({ ...stored, [page]: views }));
    } catch {
      return false;
    }
    this.changes.update((all) => all + 1);
    return true;
  }
}

/** What is stored under a key. What is not a view is left out, because anybody with the browser can write it. */
function read(key: string): Views {
  const stored = parse(localStorage.getItem(key));
  const of = (page: ViewPage): View[] => {
    const listed = stored[page];
    const views = Array.isArray(listed) ? listed.filter(isView) : [];
    return views.toSorted((one, other) => one.name.localeCompare(other.name)).slice(0, MOST_VIEWS);
  };
  return {
    runs: of('runs'),
    pipelines: of('pipelines'),
    quarantine: of('quarantine'),
    logs: of('logs'),
    audit: of('audit'),
  };
}

function parse(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isView(value: unknown): value is View {
  if (typeof value !== 'object' || value === null) return false;
  const { name, query } = value as Partial<View>;
  if (typeof name !== 'string' || typeof query !== 'string') return false;
  return name !== '' && name.length <= MOST_NAME && query.length <= MOST_QUERY;
}
