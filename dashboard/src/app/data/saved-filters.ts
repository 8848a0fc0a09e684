import {
  ChangeDetectionStrategy,
  Component,
  computed,
  inject,
  input,
  output,
  viewChild,
} from '@angular/core';

import { SavedFilterView } from '../core/api/models';
import { SharesApi } from '../core/api/shares';
import { conditionOf, spelled } from '../core/api/data';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Naming } from '../shared/name-dialog';
import { ProblemView } from '../shared/problem-view';
import { SavedList } from '../shared/saved-list';
import { Look } from './data-address';

/** Most characters of a name. */
const MOST_NAME = 100;

/** The part of what is shown that is saved. */
export type SavedLook = Pick<Look, 'sort' | 'conditions' | 'hidden'>;

/** The filters that a user has saved for a shared table: one is chosen, saved or deleted. */
@Component({
  selector: 'app-saved-filters',
  template: `
    <app-saved-list
      label="Saved filters"
      first="Saved filters…"
      noun="saved filter"
      saves="Save filter…"
      [names]="names()"
      [now]="now()?.name ?? ''"
      [busy]="submission.busy()"
      (chosen)="choose($event)"
      (save)="save()"
      (remove)="remove($event)"
    />
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
  `,
  imports: [ProblemView, SavedList],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SavedFilters {
  private readonly api = inject(SharesApi);
  private readonly naming = inject(Naming);
  private readonly toaster = inject(Toaster);

  private readonly list = viewChild.required(SavedList);

  readonly pipeline = input.required<string>();
  readonly look = input.required<SavedLook>();
  readonly chosen = output<SavedLook>();

  private readonly filters = query(this.pipeline, (pipeline) => this.api.filters(pipeline));
  protected readonly submission = new Submission(this.pipeline);
  private readonly saved = computed(() => this.filters.value()?.data ?? []);
  protected readonly names = computed(() => this.saved().map(({ name }) => name));
  /** The saved filter that is shown now. */
  protected readonly now = computed(() => {
    const { sort, conditions, hidden } = this.look();
    const text = textOf({ sort, filter: conditions.map(spelled), hide: [...hidden] });
    return this.saved().find((one) => textOf(one) === text);
  });

  protected choose(name: string): void {
    const one = this.saved().find((saved) => saved.name === name);
    if (one === undefined) {
      this.chosen.emit({ sort: undefined, conditions: [], hidden: [] });
      return;
    }
    const conditions = one.filter.map(conditionOf).filter((condition) => condition !== undefined);
    this.chosen.emit({ sort: one.sort ?? undefined, conditions, hidden: one.hide });
  }

  protected save(): void {
    const pipeline = this.pipeline();
    const { sort, conditions, hidden } = this.look();
    const view = { sort: sort ?? null, filter: conditions.map(spelled), hide: [...hidden] };
    this.naming
      .ask({
        title: 'Save filter',
        words: 'Filters, order and hidden columns are saved. Only you see them.',
        hint: 'For example: open orders.',
        most: MOST_NAME,
        taken: this.names(),
        takenWords: 'It replaces the saved filter of this name.',
        replaces: true,
        request: (name) => this.api.saveFilter(pipeline, name, view),
      })
      .subscribe((name) => {
        this.toaster.say(`${name} is saved`);
        this.filters.reload();
        this.list().focus();
      });
  }

  protected remove(name: string): void {
    this.submission.send(this.api.removeFilter(this.pipeline(), name), () => {
      this.toaster.say(`${name} is deleted`);
      this.filters.reload();
      this.list().focus();
    });
  }
}

function textOf({ sort, filter, hide }: Pick<SavedFilterView, 'sort' | 'filter' | 'hide'>): string {
  return JSON.stringify([sort ?? null, filter, [...hide].sort()]);
}
