import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { PauseView } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { QueuesApi } from '../core/api/queues';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { ProblemView } from '../shared/problem-view';
import { pauseWords } from './pause-words';

/** What is to be paused. */
export type Pausing = Pick<PauseView, 'name'> & { scope: 'pipeline' | 'queue' };

/** Pauses a pipeline or a queue, with a reason for the people who find it paused. Closes with the pause. */
@Component({
  selector: 'app-pause-dialog',
  template: `
    <h2 mat-dialog-title>{{ title }}</h2>
    <form (ngSubmit)="save()" novalidate autocomplete="off">
      <mat-dialog-content>
        <div class="stack">
          <p class="muted">{{ words }}</p>
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
  private readonly pipelines = inject(PipelinesApi);
  private readonly queues = inject(QueuesApi);
  private readonly dialog = inject(MatDialogRef<PauseDialog, PauseView>);
  private readonly pausing = inject<Pausing>(MAT_DIALOG_DATA);

  protected readonly title =
    this.pausing.scope === 'queue' ? `Pause the queue ${this.pausing.name}` : `Pause ${this.pausing.name}`;
  protected readonly words = pauseWords(this.pausing.scope);
  protected readonly reason = signal('');
  protected readonly submission = new Submission();

  protected save(): void {
    const { scope, name } = this.pausing;
    const api = scope === 'queue' ? this.queues : this.pipelines;
    this.submission.send(api.pause(name, this.reason().trim()), (pause) => this.dialog.close(pause));
  }
}
