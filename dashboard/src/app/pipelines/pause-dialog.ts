import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { PauseView } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { ProblemView } from '../shared/problem-view';

/** Pauses a pipeline, with a reason for the people who find it paused. Closes with the pause. */
@Component({
  selector: 'app-pause-dialog',
  template: `
    <h2 mat-dialog-title>Pause {{ name }}</h2>
    <form (ngSubmit)="save()" novalidate autocomplete="off">
      <mat-dialog-content>
        <div class="stack">
          <p class="muted">
            Its queued runs do not start, and its schedule makes no runs, until someone resumes it. A run that
            is at work goes on.
          </p>
          @if (submission.problem(); as problem) {
            <app-problem [problem]="problem" />
          }
          <div class="field">
            <label for="pause-reason">Reason</label>
            <input
              id="pause-reason"
              class="input"
              name="reason"
              maxlength="500"
              cdkFocusInitial
              aria-describedby="pause-reason-hint"
              [(ngModel)]="reason"
            />
            <span id="pause-reason-hint" class="hint">
              Shown to everyone who finds it paused. It may stay empty.
            </span>
          </div>
        </div>
      </mat-dialog-content>
      <app-dialog-end [submission]="submission" does="Pause" during="Pausing…" />
    </form>
  `,
  imports: [DialogEnd, FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PauseDialog {
  private readonly api = inject(PipelinesApi);
  private readonly dialog = inject(MatDialogRef<PauseDialog, PauseView>);
  protected readonly name = inject<string>(MAT_DIALOG_DATA);

  protected readonly reason = signal('');
  protected readonly submission = new Submission();

  protected save(): void {
    this.submission.send(this.api.pause(this.name, this.reason().trim()), (pause) =>
      this.dialog.close(pause),
    );
  }
}
