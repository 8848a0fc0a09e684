import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { QueueView } from '../core/api/models';
import { QueuesApi } from '../core/api/queues';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { ProblemView } from '../shared/problem-view';
import { limitOf } from './queue-words';

/** Closes with the new limit. `null`: the queue has no limit. */
export interface Limited {
  limit: number | null;
}

/** Sets how many runs of a queue may be at work at the same time. */
@Component({
  selector: 'app-limit-dialog',
  template: `
    <h2 mat-dialog-title>Limit the queue {{ queue.name }}</h2>
    <form (ngSubmit)="save()" novalidate autocomplete="off">
      <mat-dialog-content>
        <div class="stack">
          <p class="muted">
            All workers together then have at most this many of its runs at work. Runs at work go on, also
            when they are more.
          </p>
          @if (submission.problem(); as problem) {
            <app-problem [problem]="problem" />
          }
          <div class="field">
            <label for="queue-limit">Runs at a time</label>
            <input
              id="queue-limit"
              class="input"
              name="limit"
              inputmode="numeric"
              maxlength="5"
              cdkFocusInitial
              aria-describedby="queue-limit-hint"
              [attr.aria-invalid]="limit() === undefined"
              [(ngModel)]="text"
            />
            <span id="queue-limit-hint" class="hint">
              A number from 1 to 10000. Empty: as many as its workers execute.
            </span>
          </div>
        </div>
      </mat-dialog-content>
      <app-dialog-end
        [submission]="submission"
        [ready]="limit() !== undefined"
        does="Set the limit"
        during="Setting…"
      />
    </form>
  `,
  imports: [DialogEnd, FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class LimitDialog {
  private readonly api = inject(QueuesApi);
  private readonly dialog = inject(MatDialogRef<LimitDialog, Limited>);
  protected readonly queue = inject<QueueView>(MAT_DIALOG_DATA);

  protected readonly text = signal(this.queue.concurrency?.toString() ?? '');
  protected readonly limit = computed(() => limitOf(this.text()));
  protected readonly submission = new Submission();

  protected save(): void {
    const limit = this.limit();
    if (limit === undefined) return;
    this.submission.send(this.api.limit(this.queue.name, limit), () => this.dialog.close({ limit }));
  }
}
