import { Params } from '@angular/router';

import { HelpHit } from '../core/api/help';
import { PipelineView } from '../core/api/models';
import { VIEW_PAGES, ViewPage, Views } from '../core/saved-views';
import { Role } from '../core/session';
import { UUID } from '../core/uuid';
import { sectionsFor } from '../shell/navigation';
import { IconName } from '../shared/icon-names';

/** Something that the palette can open. */
export interface Entry {
  label: string;
  /** What tells it apart, shown beside it. */
  hint?: string;
  icon: IconName;
  /** Where it leads inside the dashboard, as the router takes it. */
  commands?: unknown[];
  queryParams?: Params;
  /** An address outside the dashboard, which opens in a new tab. */
  href?: string;
}

/** Entries of one kind, under a heading. */
export interface Group {
  heading: string;
  entries: Entry[];
}

/** Views shown at a time. */
const VIEWS = 8;

/** What was found: by the server for the text (`undefined` while it is asked), and the views that the user has saved. */
export interface Found {
  views?: Views;
  pipelines?: readonly Pick<PipelineView, 'name'>[];
  help?: readonly HelpHit[];
}

/** Everything that a text may mean to a role. Groups without an entry are left out. */
export function entriesFor(text: string, role: Role | undefined, found: Found): Group[] {
  const typed = text.trim();
  // The answer may still be that of an earlier text, and Enter must not open a pipeline that nobody asked for.
  const named = (found.pipelines ?? []).filter(({ name }) => contains(name, typed));
  const groups: Group[] = [
    { heading: 'Pages', entries: pages(typed, role) },
    { heading: 'Saved views', entries: role === 'admin' ? views(typed, found.views) : [] },
    { heading: 'Pipelines', entries: named.map(({ name }) => pipelineEntry(name)) },
    { heading: 'Runs and logs', entries: role === 'admin' ? lookups(typed) : [] },
    { heading: 'Help and error codes', entries: (found.help ?? []).map(helpEntry) },
  ];
  return groups.filter((group) => group.entries.length > 0);
}

function pages(typed: string, role: Role | undefined): Entry[] {
  const places = sectionsFor(role).flatMap((section) => section.places);
  const all = [
    ...places.map(({ path, label, icon }): Entry => ({ label, icon, commands: [path] })),
    { label: 'Account', icon: 'user', commands: ['/account'] } satisfies Entry,
  ];
  return all.filter(({ label }) => contains(label, typed));
}

/** Saved views with the text in their name. */
function views(typed: string, saved: Views | undefined): Entry[] {
  const byPage = Object.entries(saved ?? {}) as [ViewPage, Views[ViewPage]][];
  const all = byPage.flatMap(([page, of]) =>
    of.map(({ name, query }): Entry => {
      const queryParams = Object.fromEntries(new URLSearchParams(query));
      return {
        label: name,
        hint: VIEW_PAGES[page].label,
        icon: 'filter',
        commands: [`/${page}`],
        queryParams,
      };
    }),
  );
  return all.filter(({ label }) => contains(label, typed)).slice(0, VIEWS);
}

function contains(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}

function pipelineEntry(name: string): Entry {
  return { label: name, icon: 'workflow', commands: ['/pipelines', name] };
}

/** Places of the dashboard that search by themselves. */
function lookups(typed: string): Entry[] {
  if (typed === '') return [];
  if (UUID.test(typed)) {
    const run = typed.toLowerCase();
    return [
      { label: `Run ${run}`, icon: 'activity', commands: ['/runs', run] },
      { label: `Log lines of run ${run}`, icon: 'logs', commands: ['/logs'], queryParams: { run } },
    ];
  }
  return [
    {
      label: `Runs of pipelines with “${typed}” in their name`,
      icon: 'activity',
      commands: ['/runs'],
      queryParams: { search: typed },
    },
    {
      label: `Log lines with “${typed}”`,
      icon: 'logs',
      commands: ['/logs'],
      queryParams: { text: typed },
    },
  ];
}

function helpEntry({ page, heading, address }: HelpHit): Entry {
  return { label: heading, hint: page, icon: 'help', href: `/ui/help/${address}` };
}
