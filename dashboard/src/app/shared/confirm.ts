import { ChangeDetectionStrategy, Component, ElementRef, Injectable, inject, viewChild } from '@angular/core';
import { MAT_DIALOG_DATA, MatDialog, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { Observable, map } from 'rxjs';

import { Focus } from '../core/focus';
import { Refused, Submission } from '../core/submission';
import { ProblemView } from './problem-view';

/** A question before something is done, and the label of the button that does it. */
export interface Question {
  title: string;
  words: string;
  yes: string;
  danger?: boolean;
  /** Sent when the person agrees. The dialog closes once it succeeds, and shows why it failed otherwise. */
  request?: () => Observable<unknown>;
  /** Words the problem of a failed `request` for people. */
  refused?: Refused;
}

@Component({
  selector: 'app-confirm',
  template: `
    <h2 mat-dialog-title>{{ question.title }}</h2>
    <mat-dialog-content>
      <div class="stack">
        @if (submission.problem(); as problem) {
          <app-problem [problem]="problem" />
        } @else {
          <p>{{ question.words }}</p>
        }
      </div>
    </mat-dialog-content>
    <mat-dialog-actions align="end">
      @if (submission.problem()?.status === 409) {
        <!-- The server refuses it as things are, so the same request would only fail again. -->
        <button #close type="button" class="btn" mat-dialog-close>Close</button>
      } @else {
        <button type="button" class="btn" mat-dialog-close>Cancel</button>
        <button
          #yes
          type="button"
          class="btn"
          cdkFocusInitial
          [class.primary]="!question.danger"
          [class.danger]="question.danger"
          [disabled]="submission.busy()"
          (click)="agree()"
        >
          {{ question.yes }}
        </button>
      }
    </mat-dialog-actions>
  `,
  imports: [MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Confirm {
  private readonly dialog = inject(MatDialogRef<Confirm, boolean>);
  private readonly focus = inject(Focus);
  private readonly yes = viewChild<ElementRef<HTMLButtonElement>>('yes');
  private readonly close = viewChild<ElementRef<HTMLButtonElement>>('close');
  protected readonly question = inject<Question>(MAT_DIALOG_DATA);
  protected readonly submission = new Submission();

  protected agree(): void {
    if (this.question.request === undefined) return this.dialog.close(true);
    this.submission.send(
      this.question.request(),
      () => this.dialog.close(true),
      (problem) => {
        // The button that had the focus was disabled meanwhile, or is gone.
        this.focus.moveTo(problem.status === 409 ? this.close : this.yes);
        return this.question.refused?.(problem) ?? problem;
      },
    );
  }
}

/** Asks before something that cannot be undone. */
@Injectable({ providedIn: 'root' })
export class Confirmation {
  private readonly dialog = inject(MatDialog);

  /** Emits once whether the person agreed; with a `request`, whether it succeeded. */
  ask(question: Question): Observable<boolean> {
    return this.dialog
      .open<Confirm, Question, boolean>(Confirm, { data: question, width: '440px', role: 'alertdialog' })
      .afterClosed()
      .pipe(map((answer) => answer === true));
  }
}
