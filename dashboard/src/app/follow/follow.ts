import {
  ChangeDetectionStrategy,
  Component,
  computed,
  effect,
  inject,
  input,
  linkedSignal,
  signal,
  untracked,
} from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { count, plural } from '../core/format';
import { Query, query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { isOver } from '../runs/run-words';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { endsSince } from './end-words';
import { Followed, MOST_FOLLOWED, idsIn, partsOf, readFollowed } from './followed';
import { lastLines } from './last-lines';
import { Tile } from './tile';

/** Milliseconds between two reads of the followed runs. */
const AGAIN_MS = 2000;
/** Milliseconds between two looks for a run to follow, while none is running. */
const LOOK_MS = 5000;

/** Several runs side by side, as they go on: those in the address, or those that are running. */
@Component({
  selector: 'app-follow',
  templateUrl: './follow.html',
  styleUrl: './follow.scss',
  imports: [Empty, Icon, PageHeader, ProblemView, QueryState, RouterLink, Tile],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Follow {
  private readonly api = inject(RunsApi);
  private readonly router = inject(Router);

  /** Ids of runs, separated by commas. */
  readonly ids = input<string>();

  protected readonly wanted = computed(() => idsIn(this.ids()), {
    equal: (one, other) => one.join() === other.join(),
  });
  /** Number of parts of the address that are not followed, because they are not ids or there are too many. */
  protected readonly leftOut = computed(() => partsOf(this.ids()).length - this.wanted().length);
  /** The runs as they were read last, to which the next answer is compared. */
  private known: readonly (Run | undefined)[] = [];

  protected readonly followed: Query<Followed> = query<readonly string[], Followed>(
    () => (this.wanted().length > 0 ? this.wanted() : undefined),
    (ids) => readFollowed(this.api, ids, this.known),
    { every: () => (this.goOn() ? AGAIN_MS : 0) },
  );
  private readonly goOn = computed(() => {
    const runs = this.followed.value()?.runs;
    return runs === undefined || runs.some((run) => run !== undefined && !isOver(run));
  });
  /** Counts how often the address began or stopped naming runs, because the runs of an earlier answer may have ended. */
  private readonly look = linkedSignal<boolean, number>({
    source: () => this.wanted().length === 0,
    computation: (_, before) => (before?.value ?? 0) + 1,
  });
  /** Asked while the address names no run. */
  protected readonly running = query(
    () => (this.wanted().length === 0 ? this.look() : undefined),
    () => this.api.list({ state: 'running' }, MOST_FOLLOWED),
    { every: LOOK_MS },
  );
  protected readonly tiles = computed(() => {
    const runs = this.followed.value()?.runs ?? [];
    return this.wanted().map((id, at) => ({ id, run: runs[at] }));
  });
  /** How many of the runs are running, and how many are in all. */
  protected readonly words = computed(() => {
    const answer = this.followed.value();
    if (answer === undefined) return undefined;
    const here = answer.runs.filter((run) => run?.state === 'running').length;
    // Once all are over nothing is asked any more, so how many others run is not known.
    const all = this.goOn() ? `, ${count(answer.running)} in the whole installation` : '';
    return `${count(here)} of these ${plural(answer.runs.length, 'run')} running${all}.`;
  });
  protected readonly lines = lastLines(this.wanted);
  /** What a screen reader says when runs end. */
  protected readonly ends = signal('');
  protected readonly most = MOST_FOLLOWED;

  constructor() {
    inject(Shortcuts).offer({
      keys: 'r',
      does: 'Reload the runs',
      where: 'this page',
      run: () => (this.wanted().length > 0 ? this.followed : this.running).reload(),
    });
    effect(() => {
      const runs = this.followed.value()?.runs ?? [];
      const ended = endsSince(this.known, runs);
      this.known = runs;
      if (ended.length > 0) untracked(() => this.ends.set(ended.join('. ')));
    });
    effect(() => {
      const found = this.running.value()?.data ?? [];
      if (found.length > 0) this.follow(found.map((run) => run.id));
    });
  }

  private follow(ids: readonly string[]): void {
    void this.router.navigate([], { queryParams: { ids: ids.join() }, replaceUrl: true });
  }
}
