import { ChangeDetectionStrategy, Component, Injectable, inject } from '@angular/core';
import { MAT_DIALOG_DATA, MatDialog, MatDialogModule } from '@angular/material/dialog';
import { Observable, map } from 'rxjs';

/** What is about to happen, and the word for doing it. */
export interface Question {
  title: string;
  words: string;
  yes: string;
  danger?: boolean;
}

@Component({
  selector: 'app-confirm',
  template: `
    <h2 mat-dialog-title>{{ question.title }}</h2>
    <mat-dialog-content>{{ question.words }}</mat-dialog-content>
    <mat-dialog-actions align="end">
      <button type="button" class="btn" mat-dialog-close>Cancel</button>
      <button
        type="button"
        class="btn"
        [class.primary]="!question.danger"
        [class.danger]="question.danger"
        [mat-dialog-close]="true"
        cdkFocusInitial
      >
        {{ question.yes }}
      </button>
    </mat-dialog-actions>
  `,
  imports: [MatDialogModule],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Confirm {
  protected readonly question = inject<Question>(MAT_DIALOG_DATA);
}

/** Asks before something that cannot be taken back. */
@Injectable({ providedIn: 'root' })
export class Confirmation {
  private readonly dialog = inject(MatDialog);

  ask(question: Question): Observable<boolean> {
    return this.dialog
      .open<Confirm, Question, boolean>(Confirm, { data: question, width: '440px', role: 'alertdialog' })
      .afterClosed()
      .pipe(map((answer) => answer === true));
  }
}
