import { ChangeDetectionStrategy, Component, computed, inject, input, viewChild } from '@angular/core';
import { toSignal } from '@angular/core/rxjs-interop';
import { ActivatedRoute, Router } from '@angular/router';

import {
  MOST_NAME,
  MOST_QUERY,
  MOST_VIEWS,
  SavedViews,
  ViewPage,
  addressOf,
  filtersIn,
} from '../core/saved-views';
import { Toaster } from '../core/toaster';
import { Naming } from './name-dialog';
import { SavedList } from './saved-list';

/** The views of a list: its filters, which are in the address, are saved under a name and opened again. */
@Component({
  selector: 'app-view-menu',
  template: `
    <app-saved-list
      label="Saved views"
      first="Default view"
      noun="view"
      saves="Save view…"
      [names]="names()"
      [now]="now()"
      [savable]="now() === undefined"
      [renames]="true"
      (chosen)="open($event)"
      (save)="save()"
      (rename)="rename($event)"
      (remove)="remove($event)"
    />
  `,
  imports: [SavedList],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ViewMenu {
  private readonly views = inject(SavedViews);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  private readonly naming = inject(Naming);
  private readonly list = viewChild.required(SavedList);
  private readonly address = toSignal(inject(ActivatedRoute).queryParamMap, { requireSync: true });

  readonly page = input.required<ViewPage>();

  private readonly saved = computed(() => this.views.all()[this.page()]);
  private readonly filters = computed(() => filtersIn(this.page(), this.address()));
  protected readonly names = computed(() => this.saved().map(({ name }) => name));
  /** The view that is shown: its name, empty without any filter, `undefined` for filters that no view has. */
  protected readonly now = computed(() =>
    this.filters() === '' ? '' : this.saved().find(({ query }) => query === this.filters())?.name,
  );

  protected open(name: string): void {
    const query = this.saved().find((view) => view.name === name)?.query ?? '';
    const queryParams = addressOf(this.page(), query);
    void this.router.navigate([], { queryParams, queryParamsHandling: 'merge' });
  }

  protected save(): void {
    const query = this.filters();
    if (query.length > MOST_QUERY) {
      this.refuse('The filters are too long to be saved.', 'Shorten their texts.');
      return;
    }
    if (this.saved().length >= MOST_VIEWS) {
      this.refuse(
        `You have saved ${MOST_VIEWS} views of this page already.`,
        'Delete one that you do not need.',
      );
      return;
    }
    this.naming
      .ask({
        title: 'Save view',
        words:
          'The filters of this page are saved in this browser, under your user name. Days are saved as dates.',
        hint: 'For example: failed runs of people.',
        most: MOST_NAME,
        taken: this.names(),
        takenWords: 'It replaces the view of this name.',
        replaces: true,
      })
      .subscribe((name) => {
        this.tell(this.views.put(this.page(), { name, query }), `${name} is saved`);
        this.list().focus();
      });
  }

  protected rename(name: string): void {
    this.naming
      .ask({
        title: 'Rename view',
        words: `Another name for ${name}.`,
        hint: `At most ${MOST_NAME} characters.`,
        name,
        most: MOST_NAME,
        taken: this.names().filter((other) => other !== name),
        takenWords: 'Another view has this name already.',
        replaces: false,
      })
      .subscribe((to) => this.tell(this.views.rename(this.page(), name, to), `${name} is now ${to}`));
  }

  protected remove(name: string): void {
    this.tell(this.views.remove(this.page(), name), `${name} is deleted`);
    this.list().focus();
  }

  private tell(done: boolean, words: string): void {
    if (done) this.toaster.say(words);
    else
      this.refuse(
        'This browser does not store the view.',
        'Allow local storage for this site, or free some of it.',
      );
  }

  private refuse(sentence: string, nextStep: string): void {
    this.toaster.warn({ sentence, nextStep });
  }
}
