import { ChangeDetectionStrategy, Component, ElementRef, inject, viewChild } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { PauseView, QueueView } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { QueuesApi } from '../core/api/queues';
import { count } from '../core/format';
import { query } from '../core/query';
import { Toaster } from '../core/toaster';
import { PauseDialog, Pausing } from '../pipelines/pause-dialog';
import { PauseNote } from '../pipelines/pause-note';
import { resumeQuestion } from '../pipelines/pause-words';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { QueryState } from '../shared/query-state';
import { LimitDialog, Limited } from './limit-dialog';
import { limitedWords, queueAction, queuedWords, workersWords } from './queue-words';

const AGAIN_MS = 5000;
const WIDTH = '460px';
const ACTIONS = {
  pause: { label: 'Pause', icon: 'pause' },
  resume: { label: 'Resume', icon: 'play' },
} as const;

/** The queues: what waits on them. They are paused, resumed and limited here. */
@Component({
  selector: 'app-queues',
  templateUrl: './queues.html',
  styleUrl: './queues.scss',
  imports: [Empty, Icon, PauseNote, QueryState],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Queues {
  private readonly api = inject(QueuesApi);
  private readonly pauses = inject(PipelinesApi);
  private readonly dialog = inject(MatDialog);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  protected readonly queues = query(
    () => ({}),
    () => this.api.list(),
    { every: AGAIN_MS },
  );

  protected readonly actions = ACTIONS;
  protected readonly count = count;
  protected readonly queueAction = queueAction;
  protected readonly queuedWords = queuedWords;
  protected readonly workersWords = workersWords;

  /** Pauses a queue, or ends its pause. */
  protected pauseOrResume(queue: QueueView): void {
    if (queue.pause) this.resume(queue.pause);
    else this.pause(queue.name);
  }

  protected limit(queue: QueueView): void {
    this.dialog
      .open<LimitDialog, QueueView, Limited | ''>(LimitDialog, { data: queue, width: WIDTH })
      .afterClosed()
      .subscribe((limited) => {
        // A dialog that was cancelled has no result, or an empty text.
        if (limited) this.changed(limitedWords(queue.name, limited.limit));
      });
  }

  private pause(name: string): void {
    this.dialog
      .open<PauseDialog, Pausing, PauseView | ''>(PauseDialog, {
        data: { scope: 'queue', name },
        width: WIDTH,
      })
      .afterClosed()
      .subscribe((pause) => {
        if (pause) this.changed(`The queue ${name} is paused`);
      });
  }

  private resume(pause: PauseView): void {
    this.confirmation
      .ask({ ...resumeQuestion(pause), request: () => this.pauses.resume(pause) })
      .subscribe((resumed) => {
        if (resumed) this.changed(`The queue ${pause.name} is no longer paused`);
      });
  }

  private changed(words: string): void {
    this.toaster.say(words);
    this.queues.reload();
    // The button that had the focus does the opposite now, or is gone.
    this.table()?.nativeElement.focus();
  }
}
