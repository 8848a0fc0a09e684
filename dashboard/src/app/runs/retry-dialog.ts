import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
  signal,
  viewChild,
} from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { RetriedRuns } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Focus } from '../core/focus';
import { plural } from '../core/format';
import { pipelineNames } from '../core/pipeline-names';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { RetryFields, hasRest, requestOf, retryWords, startFields } from './retry-request';

/** Retries the failed runs of an outage: counts them first, then queues them. */
@Component({
  selector: 'app-retry-dialog',
  templateUrl: './retry-dialog.html',
  imports: [DialogEnd, FormsModule, Icon, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RetryDialog {
  private readonly api = inject(RunsApi);
  private readonly focus = inject(Focus);
  private readonly dialog = inject(MatDialogRef<RetryDialog>);
  private readonly end = viewChild.required(DialogEnd);
  private readonly answered = viewChild<ElementRef<HTMLElement>>('answered');
  /** The answer of the last request: what it would retry, or what it did. */
  private readonly answer = signal<{ runs: RetriedRuns; done: boolean } | undefined>(undefined);

  protected readonly fields = signal<RetryFields>(
    startFields(Date.now(), inject<string | undefined>(MAT_DIALOG_DATA, { optional: true }) ?? undefined),
  );
  protected readonly here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  protected readonly submission = new Submission();
  protected readonly ready = computed(() => requestOf(this.fields(), true) !== undefined);
  /** Runs that were counted and can be queued now. 0 before the count, and after they were queued. */
  protected readonly counted = computed(() => {
    const answer = this.answer();
    return answer === undefined || answer.done ? 0 : answer.runs.retried.length;
  });
  protected readonly words = computed(() => {
    const answer = this.answer();
    return answer === undefined ? [] : retryWords(answer.runs, answer.done);
  });
  protected readonly finished = computed(() => {
    const answer = this.answer();
    return answer?.done === true && !hasRest(answer.runs);
  });
  protected readonly found = computed(() => (this.answer()?.runs.retried.length ?? 0) > 0);
  protected readonly suggested = pipelineNames(computed(() => this.fields().pipeline));

  protected readonly does = computed(() => {
    if (this.finished()) return 'Close';
    return this.counted() > 0 ? `Retry ${plural(this.counted(), 'run')}` : 'Count the runs';
  });

  protected set(key: keyof RetryFields, value: string): void {
    this.fields.update((fields) => ({ ...fields, [key]: value }));
    // What was counted belongs to other fields.
    this.answer.set(undefined);
  }

  /** Counts the runs that match, or queues those that were counted. */
  protected proceed(): void {
    if (this.finished()) return this.dialog.close();
    const done = this.counted() > 0;
    const request = requestOf(this.fields(), !done);
    if (request === undefined) return;
    this.submission.send(
      this.api.retryFailed(request),
      (runs) => {
        this.answer.set({ runs, done });
        this.end().focusSend();
        this.focus.reveal(this.answered);
      },
      (problem) => {
        this.end().focusSend();
        return problem;
      },
    );
  }
}
