import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { BackfillsApi } from '../core/api/backfills';
import { BackfillView } from '../core/api/models';
import { count } from '../core/format';
import { paged } from '../core/paged';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { CopyButton } from '../shared/copy-button';
import { Empty } from '../shared/empty';
import { ErrorCode } from '../shared/error-code';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { StateTabs } from '../shared/state-tabs';
import { Time } from '../shared/time';
import {
  canCancel,
  canResume,
  percentOf,
  progressWords,
  rowsWords,
  windowState,
  windowWords,
} from './backfill-words';

const LIMIT = 100;
const AGAIN_MS = 3000;

/** One backfill: how far it is, and what has become of each window. */
@Component({
  selector: 'app-backfill',
  templateUrl: './backfill.html',
  styleUrls: ['../shared/summary.scss', './backfills.scss'],
  imports: [
    CopyButton,
    Empty,
    ErrorCode,
    Icon,
    More,
    PageHeader,
    ProblemView,
    QueryState,
    RouterLink,
    StateBadge,
    StateTabs,
    Time,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class BackfillPage {
  private readonly api = inject(BackfillsApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);

  readonly id = input.required<string>();
  /** Only windows in this state; from the address. */
  readonly state = input<string>();

  protected readonly backfill = query(
    () => this.id(),
    (id) => this.api.find(id),
    { every: () => (this.isOver() ? 0 : AGAIN_MS) },
  );
  protected readonly isOver = computed((): boolean => !!this.backfill.value()?.finished_at);
  protected readonly windows = paged(
    () => ({ id: this.id(), state: this.state() ?? '' }),
    ({ id, state }, cursor) => this.api.windows(id, state, LIMIT, cursor),
    (window) => window.number,
    { every: () => (this.isOver() ? 0 : AGAIN_MS) },
  );
  protected readonly tabs = computed(() => {
    const counts = this.backfill.value()?.windows;
    return [
      { state: '', label: 'All', number: counts?.total },
      { state: 'succeeded', label: 'Loaded', number: counts?.succeeded },
      { state: 'running', label: 'At work or queued', number: counts?.running },
      {
        state: 'failed,stopped',
        label: 'Failed or stopped',
        number: counts && counts.failed + counts.stopped,
      },
      { state: 'waiting', label: 'Waiting', number: counts?.waiting },
    ];
  });
  protected readonly submission = new Submission(this.id);

  protected readonly windowWords = windowWords;
  protected readonly progressWords = progressWords;
  protected readonly rowsWords = rowsWords;
  protected readonly percentOf = percentOf;
  protected readonly windowState = windowState;
  protected readonly canCancel = canCancel;
  protected readonly canResume = canResume;
  protected readonly count = count;

  constructor() {
    inject(Shortcuts).offer({ keys: 'r', does: 'Reload', where: 'this page', run: () => this.reload() });
  }

  protected cancel(): void {
    this.confirmation
      .ask({
        title: 'Cancel this backfill?',
        words:
          'No further window is started, and the runs at work stop at their next batch. What is loaded stays, and you can resume it later.',
        yes: 'Cancel the backfill',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.submission.send(this.api.cancel(this.id()), (changed) => this.keep(changed));
      });
  }

  protected resume(): void {
    this.submission.send(this.api.resume(this.id()), (changed) => {
      this.toaster.say('The backfill goes on');
      this.keep(changed);
      // The windows that had failed are not in this list any more.
      void this.router.navigate([], { queryParams: { state: null }, queryParamsHandling: 'merge' });
    });
  }

  private keep(changed: BackfillView): void {
    this.backfill.patch(() => changed);
    this.windows.first.reload();
  }

  private reload(): void {
    this.backfill.reload();
    this.windows.first.reload();
  }
}
