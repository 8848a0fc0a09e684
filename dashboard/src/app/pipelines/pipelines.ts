import { ChangeDetectionStrategy, Component, ElementRef, inject, signal, viewChild } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';
import { Router, RouterLink } from '@angular/router';

import { BackfillDialog, BackfillOf } from '../backfills/backfill-dialog';
import { BackfillView, PauseView, PipelineView } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { count } from '../core/format';
import { paged } from '../core/paged';
import { settled } from '../core/settled';
import { Shortcuts } from '../core/shortcuts';
import { Toaster } from '../core/toaster';
import { ShownState, intoWords, shownState } from '../runs/run-words';
import { ShareDialog } from '../shares/share-dialog';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { SearchBox } from '../shared/search-box';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { PauseDialog, Pausing } from './pause-dialog';
import { PauseNote } from './pause-note';
import { pauseAction, pausedWhat, resumeQuestion } from './pause-words';

const LIMIT = 50;
const AGAIN_MS = 5000;
const PRIORITY_WORDS = { high: 'High', normal: 'Normal', low: 'Low' } as const;
const ACTIONS = {
  pause: { label: 'Pause', icon: 'pause' },
  resume: { label: 'Resume', icon: 'play' },
} as const;

/** The pipelines, with their last and next runs. They are paused and resumed here. */
@Component({
  selector: 'app-pipelines',
  templateUrl: './pipelines.html',
  styleUrl: './pipelines.scss',
  imports: [Empty, Icon, More, PageHeader, PauseNote, QueryState, RouterLink, SearchBox, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Pipelines {
  private readonly api = inject(PipelinesApi);
  private readonly dialog = inject(MatDialog);
  private readonly router = inject(Router);
  private readonly confirmation = inject(Confirmation);
  private readonly toaster = inject(Toaster);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  /** The text in the search field; it is sent to the server once the typing pauses. */
  protected readonly search = signal('');
  protected readonly searched = settled(this.search);
  protected readonly list = paged(
    this.searched,
    (search, cursor) => this.api.list(search, LIMIT, cursor),
    (pipeline) => pipeline.name,
    { every: AGAIN_MS },
  );

  protected readonly pauseAction = pauseAction;
  protected readonly actions = ACTIONS;
  protected readonly priorities = PRIORITY_WORDS;
  protected readonly count = count;
  protected readonly intoWords = intoWords;

  constructor() {
    inject(Shortcuts).offerReload(this.list.first);
  }

  /** The state of its last run, in the words of the page Runs. */
  protected lastState({ last_run: last, pause }: PipelineView): ShownState | undefined {
    return last ? shownState({ ...last, kind: 'run', waits_for: pause && pausedWhat(pause) }) : undefined;
  }

  /** Loads a range of time of a pipeline, and shows how far that is. */
  protected backfill({ name, config_id }: PipelineView): void {
    this.dialog
      .open<BackfillDialog, BackfillOf, BackfillView | ''>(BackfillDialog, {
        data: { name, config_id },
        width: '460px',
      })
      .afterClosed()
      .subscribe((backfill) => {
        if (backfill) void this.router.navigate(['/backfills', backfill.id]);
      });
  }

  /** Chooses the users who read the table of a pipeline. */
  protected share({ name }: PipelineView): void {
    this.dialog.open<ShareDialog, string>(ShareDialog, { data: name, width: '480px' });
  }

  /** Pauses a pipeline, or ends its pause. */
  protected pauseOrResume(pipeline: PipelineView): void {
    if (pipeline.pause) this.resume(pipeline, pipeline.pause);
    else this.pause(pipeline);
  }

  private pause(pipeline: PipelineView): void {
    this.dialog
      .open<PauseDialog, Pausing, PauseView | ''>(PauseDialog, {
        data: { scope: 'pipeline', name: pipeline.name },
        width: '460px',
      })
      .afterClosed()
      .subscribe((pause) => {
        // A dialog that was cancelled has no result, or an empty text.
        if (pause) this.changed({ ...pipeline, pause }, `${pipeline.name} is paused`);
      });
  }

  private resume(pipeline: PipelineView, pause: PauseView): void {
    this.confirmation
      .ask({ ...resumeQuestion(pause), request: () => this.api.resume(pause) })
      .subscribe((resumed) => {
        if (resumed) this.changed({ ...pipeline, pause: null }, `${pipeline.name} is no longer paused`);
      });
  }

  private changed(pipeline: PipelineView, words: string): void {
    this.toaster.say(words);
    this.list.replace(pipeline);
    // Everything may be paused as well, which the server knows.
    this.list.first.reload();
    // The button that had the focus does the opposite now, or is gone.
    this.table()?.nativeElement.focus();
  }
}
