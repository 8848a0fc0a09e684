import { ChangeDetectionStrategy, Component, computed, inject, input, output } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { SavedFilterView } from '../core/api/models';
import { SharesApi } from '../core/api/shares';
import { conditionOf, spelled } from '../core/api/data';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { Look } from './data-address';
import { SaveFilter, SaveFilterDialog } from './save-filter-dialog';

/** The part of what is shown that is saved. */
export type SavedLook = Pick<Look, 'sort' | 'conditions' | 'hidden'>;

/** The filters that a user has saved for a shared table: one is chosen, saved or deleted. */
@Component({
  selector: 'app-saved-filters',
  template: `
    <select #list class="select" aria-label="Saved filters" (change)="choose(list.value)">
      <option value="" [selected]="!now()">Saved filters…</option>
      @for (one of saved(); track one.name) {
        <option [value]="one.name" [selected]="one.name === now()?.name">{{ one.name }}</option>
      }
    </select>
    @if (now(); as one) {
      <button
        type="button"
        class="btn s icon-only"
        [attr.aria-label]="'Delete the saved filter ' + one.name"
        title="Delete"
        [disabled]="submission.busy()"
        (click)="remove(one)"
      >
        <app-icon name="trash" />
      </button>
    } @else {
      <button type="button" class="btn s" (click)="save()">Save filter…</button>
    }
    @if (submission.problem(); as problem) {
      <app-problem [problem]="problem" />
    }
  `,
  styles: `
    :host {
      display: flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 8px;
    }
    .select {
      max-width: 180px;
    }
  `,
  imports: [Icon, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SavedFilters {
  private readonly api = inject(SharesApi);
  private readonly dialog = inject(MatDialog);
  private readonly toaster = inject(Toaster);

  readonly pipeline = input.required<string>();
  readonly look = input.required<SavedLook>();
  readonly chosen = output<SavedLook>();

  private readonly filters = query(this.pipeline, (pipeline) => this.api.filters(pipeline));
  protected readonly submission = new Submission(this.pipeline);
  protected readonly saved = computed(() => this.filters.value()?.data ?? []);
  /** The saved filter that is shown now. */
  protected readonly now = computed(() => {
    const { sort, conditions, hidden } = this.look();
    const text = textOf({ sort, filter: conditions.map(spelled), hide: [...hidden] });
    return this.saved().find((one) => textOf(one) === text);
  });

  protected choose(name: string): void {
    const one = this.saved().find((saved) => saved.name === name);
    if (one === undefined) return;
    const conditions = (one.filter ?? []).map(conditionOf).filter((condition) => condition !== undefined);
    this.chosen.emit({ sort: one.sort ?? undefined, conditions, hidden: one.hide ?? [] });
  }

  protected save(): void {
    const { sort, conditions, hidden } = this.look();
    const view = { sort: sort ?? null, filter: conditions.map(spelled), hide: [...hidden] };
    this.dialog
      .open<SaveFilterDialog, SaveFilter, SavedFilterView | ''>(SaveFilterDialog, {
        data: { pipeline: this.pipeline(), view, taken: this.saved().map((one) => one.name) },
        width: '420px',
      })
      .afterClosed()
      .subscribe((saved) => {
        if (!saved) return;
        this.toaster.say(`${saved.name} is saved`);
        this.filters.reload();
      });
  }

  protected remove({ name }: SavedFilterView): void {
    this.submission.send(this.api.removeFilter(this.pipeline(), name), () => {
      this.toaster.say(`${name} is deleted`);
      this.filters.reload();
    });
  }
}

function textOf({ sort, filter, hide }: Pick<SavedFilterView, 'sort' | 'filter' | 'hide'>): string {
  return JSON.stringify([sort ?? null, filter ?? [], [...(hide ?? [])].sort()]);
}
