import {
  ChangeDetectionStrategy,
  Component,
  computed,
  effect,
  inject,
  input,
  linkedSignal,
  signal,
} from '@angular/core';
import { MatDialog } from '@angular/material/dialog';
import { Params, Router, RouterLink } from '@angular/router';
import { catchError, forkJoin, map, of } from 'rxjs';

import { windowWords } from '../backfills/backfill-words';
import { OUTCOME, Outcome, RUN_KIND, RUN_STATE, Run, RunState } from '../core/api/models';
import { RunFilter, RunsApi } from '../core/api/runs';
import { Clock } from '../core/clock';
import { startOfDay } from '../core/days';
import { count, duration, plural } from '../core/format';
import { paged } from '../core/paged';
import { pipelineNames } from '../core/pipeline-names';
import { Shortcuts } from '../core/shortcuts';
import { Toaster } from '../core/toaster';
import { FollowButton } from '../follow/follow-button';
import { CompareButton } from '../shared/compare-button';
import { Confirmation } from '../shared/confirm';
import { toggled } from '../shared/chosen';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Bar, Sparkline } from '../shared/sparkline';
import { StateBadge } from '../shared/state-badge';
import { StateTabs } from '../shared/state-tabs';
import { Time } from '../shared/time';
import { ViewMenu } from '../shared/view-menu';
import { RetryDialog } from './retry-dialog';
import { RunsPlace } from './runs-place';
import {
  canRetry,
  canStop,
  hasColumns,
  intoWords,
  isOver,
  kindWord,
  lossWords,
  nextTry,
  shownState,
  silentSince,
  tableWord,
  toneOf,
  tookMs,
  triggerWord,
  waitLine,
} from './run-words';

const LIMIT = 50;
const AGAIN_MS = 5000;
const OUTCOME_WORDS: Record<Outcome, string> = {
  clean: 'Clean',
  with_warnings: 'With warnings',
  nothing_loaded: 'Nothing loaded',
};
/** A run that completed may have warnings, or have loaded nothing: its outcome says that. */
const TAB_WORDS: Record<RunState | '', string> = {
  '': 'All',
  queued: 'Queued',
  running: 'Running',
  succeeded: 'Completed',
  failed: 'Failed',
  stopped: 'Stopped',
};
const SHOWN_BARS = 60;

/** All runs that match the filters, which are kept in the address. */
@Component({
  selector: 'app-runs',
  templateUrl: './runs.html',
  styleUrl: './runs.scss',
  imports: [
    CompareButton,
    Empty,
    FollowButton,
    Icon,
    More,
    PageHeader,
    QueryState,
    RouterLink,
    Sparkline,
    StateBadge,
    StateTabs,
    Time,
    ViewMenu,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Runs {
  private readonly api = inject(RunsApi);
  private readonly clock = inject(Clock);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);
  private readonly dialog = inject(MatDialog);

  readonly state = input<string>();
  readonly name = input<string>();
  /** A part of the pipeline's name. */
  readonly search = input<string>();
  /** The first day, as `2026-11-29`. */
  readonly from = input<string>();
  /** The last day. */
  readonly to = input<string>();
  readonly kind = input<string>();
  readonly outcome = input<string>();
  readonly config_id = input<string>();
  readonly schedule_id = input<string>();
  readonly parent_id = input<string>();

  /** Filters by pipeline. The server counts the runs that they leave, whatever the other filters are. */
  private readonly pipeline = computed<RunFilter>(() => ({ name: this.name(), search: this.search() }));
  private readonly narrower = computed<RunFilter>(() => ({
    since: startOfDay(this.from()),
    until: startOfDay(this.to(), 1),
    kind: this.kind(),
    outcome: OUTCOME.find((outcome) => outcome === this.outcome()),
    config_id: this.config_id() === undefined ? undefined : Number(this.config_id()),
    schedule_id: this.schedule_id(),
    parent_id: this.parent_id(),
  }));

  private readonly filter = computed<RunFilter>(() => ({
    ...this.pipeline(),
    ...this.narrower(),
    state: this.state(),
  }));

  protected readonly list = paged(
    () => this.filter(),
    (only, cursor) => this.api.list(only, LIMIT, cursor),
    (run) => run.id,
    { every: AGAIN_MS },
  );
  /**
   * Runs in each state. `undefined` when a filter leaves only some of them, because their number is then not known. While
   * only the state changes, the last known numbers stay.
   */
  private readonly counts = linkedSignal<
    { pipeline: RunFilter; known: boolean; counts: Record<string, number> | undefined },
    Record<string, number> | undefined
  >({
    source: () => ({
      pipeline: this.pipeline(),
      known: Object.values(this.narrower()).every((value) => value === undefined),
      counts: this.list.first.value()?.counts,
    }),
    computation: ({ pipeline, known, counts }, before) => {
      if (!known) return undefined;
      return counts ?? (before?.source.pipeline === pipeline ? before?.value : undefined);
    },
  });
  /** How many runs match. `undefined` when it is not known. */
  protected readonly total = computed(
    () => this.tabs().find((tab) => tab.state === (this.state() ?? ''))?.number,
  );
  protected readonly tabs = computed(() =>
    (['', ...RUN_STATE] as const).map((state) => {
      const counts = this.counts();
      const all = Object.values(counts ?? {}).reduce((sum, one) => sum + one, 0);
      const number = counts === undefined ? undefined : state === '' ? all : (counts[state] ?? 0);
      return { state, label: TAB_WORDS[state], number };
    }),
  );
  protected readonly filtered = computed(() =>
    Object.values(this.filter()).some((value) => value !== undefined && value !== ''),
  );
  protected readonly bars = computed<Bar[]>(() =>
    (this.list.items() ?? [])
      .slice(0, SHOWN_BARS)
      .toReversed()
      .map((run) => ({
        // Logarithmic, because one run of hours would otherwise make runs of seconds invisible.
        value: Math.log1p((tookMs(run) ?? 0) / 100),
        tone: toneOf(run),
        title: `${run.name}: ${shownState(run).replaceAll('_', ' ')}, ${duration(tookMs(run))}, ${count(run.rows_inserted)} new rows${run.rows_quarantined ? `, ${count(run.rows_quarantined)} rejected` : ''}`,
      })),
  );
  protected readonly typed = signal('');
  protected readonly names = pipelineNames(this.typed);
  /** Ids of the chosen runs. Another filter clears them, because they could then be out of sight. */
  protected readonly chosen = linkedSignal<unknown, readonly string[]>({
    source: this.filter,
    computation: () => [],
  });
  protected readonly chosenRuns = computed(
    () => this.list.items()?.filter((run) => this.chosen().includes(run.id)) ?? [],
  );
  protected readonly stoppable = computed(() => this.chosenRuns().filter(canStop));
  protected readonly retriable = computed(() => this.chosenRuns().filter(canRetry));
  protected readonly followable = computed(() =>
    this.chosenRuns()
      .filter((run) => !isOver(run))
      .map((run) => run.id),
  );

  protected readonly kinds = RUN_KIND;
  protected readonly outcomes = OUTCOME.map((key) => ({ key, label: OUTCOME_WORDS[key] }));
  protected readonly windowWords = windowWords;
  protected readonly lossWords = lossWords;
  protected readonly waitLine = waitLine;
  protected readonly silentSince = silentSince;
  protected readonly count = count;
  protected readonly duration = duration;
  protected readonly tookMs = tookMs;
  protected readonly shownState = shownState;
  protected readonly kindWord = kindWord;
  protected readonly tableWord = tableWord;
  protected readonly intoWords = intoWords;
  protected readonly triggerWord = triggerWord;

  constructor() {
    inject(Shortcuts).offerReload(this.list.first);
    const place = inject(RunsPlace);
    effect(() => place.filters.set(this.inAddress()));
  }

  /** Filters by what was typed: the pipeline of this name, or all whose name contains it. */
  protected findPipeline(typed: string): void {
    const text = typed.trim();
    const isName = this.names.value()?.includes(text) ?? false;
    this.narrow(isName ? { name: text, search: null } : { name: null, search: text });
  }

  /** A number of rows, for runs that read rows. */
  protected rowsOf(run: Run, rows: number | null | undefined): string {
    return count(hasColumns(run.kind) ? rows : undefined);
  }

  private inAddress(): Params {
    const filters = {
      state: this.state(),
      name: this.name(),
      search: this.search(),
      from: this.from(),
      to: this.to(),
      kind: this.kind(),
      outcome: this.outcome(),
      config_id: this.config_id(),
      schedule_id: this.schedule_id(),
      parent_id: this.parent_id(),
    };
    return Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
  }

  /** When a queued run tries again, as long as that is still to come. */
  protected triesAt(run: Run): string | undefined {
    const next = nextTry(run, this.clock.now());
    return next === undefined || next === 'soon' ? undefined : next.at;
  }

  protected narrow(change: Record<string, string | null>): void {
    const queryParams = Object.fromEntries(
      Object.entries(change).map(([key, value]) => [key, value || null]),
    );
    void this.router.navigate([], { queryParams, queryParamsHandling: 'merge' });
  }

  protected choose(id: string): void {
    this.chosen.update((chosen) => toggled(chosen, id));
  }

  protected stopChosen(): void {
    const runs = this.stoppable();
    this.confirmation
      .ask({
        title: `Stop ${plural(runs.length, 'run')}?`,
        words: 'Each run stops at its next batch. No rows stay half loaded.',
        yes: 'Stop',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.forEach(runs, (run) => this.api.stop(run.id), 'asked to stop');
      });
  }

  protected retryChosen(): void {
    this.forEach(this.retriable(), (run) => this.api.retry(run.id), 'started again');
  }

  protected retryFailed(): void {
    this.dialog
      .open<RetryDialog, string | undefined>(RetryDialog, { data: this.name(), width: '520px' })
      .afterClosed()
      .subscribe(() => this.list.first.reload());
  }

  protected compare(): void {
    // The ids of runs begin with their time, so that the earlier run comes first.
    const [a, b] = this.chosen().toSorted();
    void this.router.navigate(['/runs/compare'], { queryParams: { a, b } });
  }

  private forEach(runs: readonly Run[], act: (run: Run) => ReturnType<RunsApi['stop']>, done: string): void {
    const each = runs.map((run) =>
      act(run).pipe(
        map(() => true),
        catchError(() => of(false)),
      ),
    );
    forkJoin(each).subscribe((results) => {
      const fine = results.filter(Boolean).length;
      const refused = results.length - fine;
      this.toaster.say(`${plural(fine, 'run')} ${done}${refused > 0 ? `, ${refused} refused` : ''}`);
      this.chosen.set([]);
      this.list.first.reload();
    });
  }
}
