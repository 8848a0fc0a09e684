import { ChangeDetectionStrategy, Component, Injectable, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialog, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { Observable, filter, of } from 'rxjs';

import { Submission } from '../core/submission';
import { DialogEnd } from './dialog-end';
import { ProblemView } from './problem-view';

/** What is asked for: the name under which something is kept. */
export interface NameQuestion {
  title: string;
  /** What is kept, and who sees it. */
  words: string;
  /** A sentence below the empty field, such as an example. */
  hint: string;
  /** The name at the start. */
  name?: string;
  /** Most characters. */
  most: number;
  /** Names that are in use. */
  taken: readonly string[];
  /** What it means to choose one of them. */
  takenWords: string;
  /** Whether one of them may be chosen. */
  replaces: boolean;
  /** Sent before the dialog closes. It stays open with the problem when this fails. */
  request?: (name: string) => Observable<unknown>;
}

@Component({
  selector: 'app-name-dialog',
  template: `
    <h2 mat-dialog-title>{{ asked.title }}</h2>
    <form (ngSubmit)="save()" novalidate autocomplete="off">
      <mat-dialog-content>
        <div class="stack">
          <p class="muted">{{ asked.words }}</p>
          @if (submission.problem(); as problem) {
            <app-problem [problem]="problem" />
          }
          <div class="field">
            <label for="kept-name">Name</label>
            <input
              id="kept-name"
              class="input"
              name="name"
              cdkFocusInitial
              aria-describedby="kept-name-hint"
              [attr.maxlength]="asked.most"
              [(ngModel)]="name"
            />
            <span id="kept-name-hint" class="hint" aria-live="polite">{{
              isTaken() ? asked.takenWords : asked.hint
            }}</span>
          </div>
        </div>
      </mat-dialog-content>
      <app-dialog-end [submission]="submission" [ready]="ready()" does="Save" during="Saving…" />
    </form>
  `,
  imports: [DialogEnd, FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
class NameDialog {
  private readonly dialog = inject(MatDialogRef<NameDialog, string>);
  protected readonly asked = inject<NameQuestion>(MAT_DIALOG_DATA);

  protected readonly name = signal(this.asked.name ?? '');
  protected readonly submission = new Submission();
  private readonly typed = computed(() => this.name().trim());
  protected readonly isTaken = computed(() => this.asked.taken.includes(this.typed()));
  protected readonly ready = computed(() => this.typed() !== '' && (this.asked.replaces || !this.isTaken()));

  protected save(): void {
    if (!this.ready()) return;
    const name = this.typed();
    this.submission.send(this.asked.request?.(name) ?? of(undefined), () => this.dialog.close(name));
  }
}

/** Asks for the name under which something is kept. */
@Injectable({ providedIn: 'root' })
export class Naming {
  private readonly dialog = inject(MatDialog);

  /** Emits the name once, without spaces around it. Only completes when the dialog is canceled. */
  ask(question: NameQuestion): Observable<string> {
    return this.dialog
      .open<NameDialog, NameQuestion, string>(NameDialog, { data: question, width: '420px' })
      .afterClosed()
      .pipe(filter((name): name is string => !!name));
  }
}
