import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { SavedFilterView } from '../core/api/models';
import { SharesApi } from '../core/api/shares';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { ProblemView } from '../shared/problem-view';

/** What is to be saved. */
export interface SaveFilter {
  pipeline: string;
  view: Pick<SavedFilterView, 'sort' | 'filter' | 'hide'>;
  /** Names that are in use. */
  taken: readonly string[];
}

/** Gives the filters of a shared table a name. Closes with what was saved. */
@Component({
  selector: 'app-save-filter-dialog',
  template: `
    <h2 mat-dialog-title>Save filter</h2>
    <form (ngSubmit)="save()" novalidate autocomplete="off">
      <mat-dialog-content>
        <div class="stack">
          <p class="muted">Filters, order and hidden columns are saved. Only you see them.</p>
          @if (submission.problem(); as problem) {
            <app-problem [problem]="problem" />
          }
          <div class="field">
            <label for="filter-name">Name</label>
            <input
              id="filter-name"
              class="input"
              name="name"
              maxlength="100"
              cdkFocusInitial
              aria-describedby="filter-name-hint"
              [(ngModel)]="name"
            />
            <span id="filter-name-hint" class="hint">
              {{ isTaken() ? 'It replaces the saved filter of this name.' : 'For example: open orders.' }}
            </span>
          </div>
        </div>
      </mat-dialog-content>
      <app-dialog-end [submission]="submission" [ready]="ready()" does="Save" during="Saving…" />
    </form>
  `,
  imports: [DialogEnd, FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SaveFilterDialog {
  private readonly api = inject(SharesApi);
  private readonly dialog = inject(MatDialogRef<SaveFilterDialog, SavedFilterView>);
  private readonly asked = inject<SaveFilter>(MAT_DIALOG_DATA);

  protected readonly name = signal('');
  protected readonly submission = new Submission();
  protected readonly ready = computed(() => this.name().trim() !== '');
  protected readonly isTaken = computed(() => this.asked.taken.includes(this.name().trim()));

  protected save(): void {
    if (!this.ready()) return;
    const { pipeline, view } = this.asked;
    const saving = this.api.saveFilter(pipeline, this.name().trim(), view);
    this.submission.send(saving, (saved) => this.dialog.close(saved));
  }
}
