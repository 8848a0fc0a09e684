import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
  input,
  linkedSignal,
  viewChild,
} from '@angular/core';
import { takeUntilDestroyed } from '@angular/core/rxjs-interop';
import { Router, RouterLink } from '@angular/router';
import { Subject } from 'rxjs';

import { PipelineView } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { count, plural } from '../core/format';
import { paged } from '../core/paged';
import { afterTyping } from '../core/settled';
import { Shortcuts } from '../core/shortcuts';
import { Toaster } from '../core/toaster';
import { ShownState, intoWords, shownState } from '../runs/run-words';
import { FollowButton } from '../follow/follow-button';
import { toggled } from '../shared/chosen';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { SearchBox } from '../shared/search-box';
import { Sparkline } from '../shared/sparkline';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { ViewMenu } from '../shared/view-menu';
import { PauseNote } from './pause-note';
import { pauseAction, pausedWhat } from './pause-words';
import { PipelineActions } from './pipeline-actions';
import { freshnessWords, rowBars, rowWords } from './recent-runs';
import { RunStrip } from './run-strip';

const LIMIT = 50;
const AGAIN_MS = 5000;
/** Runs shown of each pipeline. */
const RUNS = 20;
const ACTIONS = {
  pause: { label: 'Pause', icon: 'pause' },
  resume: { label: 'Resume', icon: 'play' },
} as const;

/** The pipelines, with their last and next runs. They are paused and resumed here. */
@Component({
  selector: 'app-pipelines',
  templateUrl: './pipelines.html',
  styleUrl: './pipelines.scss',
  imports: [
    Empty,
    FollowButton,
    Icon,
    More,
    PageHeader,
    PauseNote,
    QueryState,
    RouterLink,
    RunStrip,
    SearchBox,
    Sparkline,
    StateBadge,
    Time,
    ViewMenu,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Pipelines {
  private readonly api = inject(PipelinesApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  protected readonly act = inject(PipelineActions);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  /** A part of the name. */
  readonly search = input<string>();

  protected readonly searched = computed(() => (this.search() ?? '').trim());
  /** The text in the search field. It is written to the address, which the list follows, once the typing pauses. */
  protected readonly typed = linkedSignal<string, string>({
    source: this.searched,
    // An address that follows the typing leaves the space at the end of the text, because the next word may come.
    computation: (searched, before) => (before?.value.trim() === searched ? before.value : searched),
  });
  private readonly typing = new Subject<string>();
  protected readonly list = paged(
    this.searched,
    (search, cursor) => this.api.list(search, LIMIT, cursor, RUNS),
    (pipeline) => pipeline.name,
    { every: AGAIN_MS },
  );

  /** Ids of the runs that are chosen to be followed. Another search clears them, because they could then be out of sight. */
  protected readonly chosen = linkedSignal<unknown, readonly string[]>({
    source: this.searched,
    computation: () => [],
  });

  /** The chosen runs that are in sight: a run that is no longer the last one of its pipeline has no box. */
  protected readonly chosenRuns = computed(() => {
    const last = (this.list.items() ?? []).map(({ last_run }) => last_run?.id);
    return this.chosen().filter((id) => last.includes(id));
  });

  protected readonly pauseAction = pauseAction;
  protected readonly actions = ACTIONS;
  protected readonly count = count;
  protected readonly rowBars = rowBars;
  protected readonly rowWords = rowWords;
  protected readonly freshnessWords = freshnessWords;
  protected readonly intoWords = intoWords;

  constructor() {
    inject(Shortcuts).offerReload(this.list.first);
    afterTyping(this.typing)
      .pipe(takeUntilDestroyed())
      .subscribe((text) => this.narrow(text));
  }

  protected type(text: string): void {
    this.typed.set(text);
    this.typing.next(text);
  }

  /** Chooses a run to be followed, or no longer. */
  protected choose(run: string): void {
    this.chosen.update((chosen) => toggled(chosen, run));
  }

  /** Chooses no run. The button that had the focus is gone then. */
  protected clear(): void {
    this.chosen.set([]);
    this.table()?.nativeElement.focus();
  }

  /** The state of its last run, in the words of the page Runs. */
  protected lastState({ last_run: last, pause }: PipelineView): ShownState | undefined {
    return last ? shownState({ ...last, kind: 'run', waits_for: pause && pausedWhat(pause) }) : undefined;
  }

  /** How its runs start, as far as that is not usual: `high priority · 2 runs at a time`. */
  protected startWords({ priority, concurrency }: PipelineView): string {
    const parts = priority === 'normal' ? [] : [`${priority} priority`];
    if (concurrency) parts.push(`${plural(concurrency, 'run')} at a time`);
    return parts.join(' · ');
  }

  /** Pauses a pipeline, or ends its pause. */
  protected pauseOrResume(pipeline: PipelineView): void {
    this.act.pauseOrResume(pipeline).subscribe((pause) => {
      this.toaster.say(`${pipeline.name} is ${pause ? 'paused' : 'no longer paused'}`);
      this.list.replace({ ...pipeline, pause });
      // Everything may be paused as well, which the server knows.
      this.list.first.reload();
      // The button that had the focus does the opposite now, or is gone.
      this.table()?.nativeElement.focus();
    });
  }

  private narrow(text: string): void {
    const queryParams = { search: text || null };
    void this.router.navigate([], { queryParams, queryParamsHandling: 'merge', replaceUrl: true });
  }
}
