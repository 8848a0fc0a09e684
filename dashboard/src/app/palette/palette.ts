import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  afterRenderEffect,
  computed,
  inject,
  linkedSignal,
  signal,
  viewChild,
} from '@angular/core';
import { MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { Router } from '@angular/router';

import { HelpApi } from '../core/api/help';
import { PipelinesApi } from '../core/api/pipelines';
import { query } from '../core/query';
import { SavedViews } from '../core/saved-views';
import { Session } from '../core/session';
import { settled } from '../core/settled';
import { Icon } from '../shared/icon';
import { Entry, entriesFor } from './palette-entries';

/** Pipelines shown at a time. */
const PIPELINES = 8;

/** A field that finds pages, saved views, pipelines, runs and help, and opens what is chosen. */
@Component({
  selector: 'app-palette',
  templateUrl: './palette.html',
  styleUrl: './palette.scss',
  imports: [Icon, MatDialogModule],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Palette {
  private readonly pipelines = inject(PipelinesApi);
  private readonly help = inject(HelpApi);
  private readonly session = inject(Session);
  private readonly router = inject(Router);
  private readonly views = inject(SavedViews);
  private readonly dialog = inject(MatDialogRef<Palette>);
  private readonly list = viewChild<ElementRef<HTMLElement>>('list');

  protected readonly text = signal('');
  private readonly typed = settled(this.text);
  private readonly isAdmin = computed(() => this.session.role() === 'admin');
  private readonly foundPipelines = query(
    () => (this.isAdmin() ? this.typed() : undefined),
    (search) => this.pipelines.list(search, PIPELINES),
    // What was found before stays until the next answer.
    { identity: () => 'pipelines' },
  );
  private readonly foundHelp = query(
    () => this.typed() || undefined,
    (typed) => this.help.search(typed),
  );
  protected readonly groups = computed(() => {
    const groups = entriesFor(this.text(), this.session.role(), {
      pipelines: this.foundPipelines.value()?.data,
      help: this.foundHelp.value(),
      views: this.views.all(),
    });
    let place = 0;
    return groups.map((group) => ({
      heading: group.heading,
      entries: group.entries.map((entry) => ({ entry, place: place++ })),
    }));
  });
  private readonly entries = computed(() =>
    this.groups().flatMap((group) => group.entries.map(({ entry }) => entry)),
  );
  /** The place of the entry that Enter opens. Another text begins at the first entry again. */
  protected readonly active = linkedSignal<unknown, number>({ source: this.text, computation: () => 0 });
  protected readonly problem = computed(() => this.foundPipelines.problem() ?? this.foundHelp.problem());
  protected readonly words = computed(() => {
    const number = this.entries().length;
    return number === 1 ? '1 result' : `${number} results`;
  });

  constructor() {
    afterRenderEffect(() => {
      const place = this.active();
      this.list()?.nativeElement.querySelector(`#palette-${place}`)?.scrollIntoView({ block: 'nearest' });
    });
  }

  protected press(event: KeyboardEvent): void {
    const last = this.entries().length - 1;
    switch (event.key) {
      case 'ArrowDown':
        this.active.update((place) => (place >= last ? 0 : place + 1));
        break;
      case 'ArrowUp':
        this.active.update((place) => (place <= 0 ? Math.max(0, last) : place - 1));
        break;
      case 'Enter': {
        const entry = this.entries()[this.active()];
        if (entry !== undefined) this.open(entry);
        break;
      }
      default:
        return;
    }
    event.preventDefault();
  }

  protected open(entry: Entry): void {
    this.dialog.close();
    if (entry.href !== undefined) window.open(entry.href, '_blank', 'noopener');
    else void this.router.navigate(entry.commands ?? [], { queryParams: entry.queryParams });
  }
}
