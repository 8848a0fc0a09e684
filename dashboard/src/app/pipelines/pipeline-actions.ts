import { Injectable, inject } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';
import { Router } from '@angular/router';
import { Observable, filter, map } from 'rxjs';

import { BackfillDialog, BackfillOf } from '../backfills/backfill-dialog';
import { BackfillView, PauseView, PipelineView } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { ShareDialog } from '../shares/share-dialog';
import { Confirmation } from '../shared/confirm';
import { PauseDialog, Pausing } from './pause-dialog';
import { resumeQuestion } from './pause-words';

/** What an admin can do with a pipeline, each in a dialog. */
@Injectable({ providedIn: 'root' })
export class PipelineActions {
  private readonly api = inject(PipelinesApi);
  private readonly dialog = inject(MatDialog);
  private readonly router = inject(Router);
  private readonly confirmation = inject(Confirmation);

  /** Loads a range of time of a pipeline, and opens the page that shows how far that is. */
  backfill({ name, config_id }: Pick<PipelineView, 'name' | 'config_id'>): void {
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

  /** Pauses a pipeline, or ends its pause. Emits the pause, or null when the pipeline is not paused any more; nothing on Cancel. */
  pauseOrResume({ name, pause }: Pick<PipelineView, 'name' | 'pause'>): Observable<PauseView | null> {
    return pause ? this.resume(pause) : this.pause(name);
  }

  /** Chooses the users who read the table of a pipeline. */
  share({ name }: Pick<PipelineView, 'name'>): void {
    this.dialog.open<ShareDialog, string>(ShareDialog, { data: name, width: '480px' });
  }

  private pause(name: string): Observable<PauseView> {
    return (
      this.dialog
        .open<PauseDialog, Pausing, PauseView | ''>(PauseDialog, {
          data: { scope: 'pipeline', name },
          width: '460px',
        })
        .afterClosed()
        // A dialog that was cancelled has no result, or an empty text.
        .pipe(filter((pause) => pause !== undefined && pause !== ''))
    );
  }

  private resume(pause: PauseView): Observable<null> {
    return this.confirmation.ask({ ...resumeQuestion(pause), request: () => this.api.resume(pause) }).pipe(
      filter(Boolean),
      map(() => null),
    );
  }
}
