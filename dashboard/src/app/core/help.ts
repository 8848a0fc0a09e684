/** The pages of the help, below `/ui/help/`, for the pages of the dashboard: the first prefix that fits counts. */
const PAGES: readonly (readonly [prefix: string, page: string])[] = [
  ['/new-job', 'use/start'],
  ['/pipelines', 'use/pipelines'],
  ['/runs/compare', 'use/pipelines#compare-two-runs'],
  ['/runs/follow', 'use/runs#follow-several-runs'],
  ['/new-pipeline', 'use/new-pipeline'],
  ['/runs', 'use/runs'],
  ['/backfills', 'sources/api#backfill'],
  ['/schedules', 'use/schedules'],
  ['/files', 'sources/inbox'],
  ['/config-history', 'reference/config'],
  ['/upload-config', 'reference/config'],
  ['/data-view', 'use/runs#what-comes-with-a-table'],
  ['/quarantine', 'use/quarantine'],
  ['/logs', 'operate/troubleshooting'],
  ['/workers', 'operate/fleet'],
  ['/retention', 'operate/sizing'],
  ['/notifications', 'operate/notifications'],
  ['/users', 'use/access#roles'],
  ['/api-tokens', 'use/access#api-tokens'],
  ['/secrets', 'use/access#secrets'],
  ['/audit', 'use/access#the-audit'],
  ['/account', 'use/access#roles'],
  ['/user', 'use/access#roles'],
];

/** The address of the help for a page of the dashboard; the list of all pages where none fits better. */
export function helpFor(url: string): string {
  const path = url.split(/[?#]/)[0] ?? '';
  const found = PAGES.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`));
  return `/ui/help/${found?.[1] ?? ''}`;
}

/** The address of what a code means. */
export function helpForCode(code: string): string {
  return `/ui/help/errors#${code}`;
}
