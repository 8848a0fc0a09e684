import { ChangeDetectionStrategy, Component, ElementRef, computed, inject, viewChild } from '@angular/core';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { SecretView } from '../core/api/models';
import { SecretsApi } from '../core/api/secrets';
import { Focus } from '../core/focus';
import { Problem } from '../core/problem';
import { Submission } from '../core/submission';
import { ProblemView } from '../shared/problem-view';

/** Asks before a secret is deleted, and names the pipelines that need it. The result says whether it was deleted. */
@Component({
  selector: 'app-remove-secret-dialog',
  template: `
    <h2 mat-dialog-title>Delete {{ secret.name }}?</h2>
    <mat-dialog-content>
      <div class="stack">
        @if (submission.problem(); as problem) {
          <app-problem [problem]="problem" />
        } @else if (secret.used_by.length > 0) {
          <p>These pipelines use this secret. Their next runs fail without it:</p>
          <ul>
            @for (pipeline of secret.used_by; track pipeline) {
              <li>{{ pipeline }}</li>
            }
          </ul>
        } @else {
          <p>No pipeline uses this secret. Its value cannot be restored.</p>
        }
      </div>
    </mat-dialog-content>
    <mat-dialog-actions align="end">
      <button type="button" class="btn" mat-dialog-close cdkFocusInitial>Cancel</button>
      <button #yes type="button" class="btn danger" [disabled]="submission.busy()" (click)="remove()">
        {{ isUsed() ? 'Delete anyway' : 'Delete it' }}
      </button>
    </mat-dialog-actions>
  `,
  styles: `
    ul {
      padding-left: 18px;
      list-style: disc;
    }
  `,
  imports: [MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RemoveSecretDialog {
  private readonly api = inject(SecretsApi);
  private readonly dialog = inject(MatDialogRef<RemoveSecretDialog, boolean>);
  private readonly focus = inject(Focus);
  private readonly yes = viewChild<ElementRef<HTMLButtonElement>>('yes');
  protected readonly secret = inject<SecretView>(MAT_DIALOG_DATA);
  protected readonly submission = new Submission();
  /** Whether pipelines use the secret, as the list showed it or as the server has answered since. */
  protected readonly isUsed = computed(
    () => this.secret.used_by.length > 0 || this.submission.problem()?.code === 'secret_in_use',
  );

  protected remove(): void {
    this.submission.send(
      this.api.remove(this.secret.name, this.isUsed()),
      () => this.dialog.close(true),
      (problem) => {
        this.focus.moveTo(this.yes);
        return explain(problem);
      },
    );
  }
}

/** The server's advice names a parameter of its API; people have a button for it. */
function explain(problem: Problem): Problem {
  if (problem.code !== 'secret_in_use') return problem;
  return {
    ...problem,
    nextStep:
      'Upload configs of these pipelines that do not refer to it, then delete it. If you delete it now, their next runs fail, and its value cannot be restored.',
  };
}
