import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
  input,
  output,
  signal,
  viewChild,
} from '@angular/core';

import { Icon } from '../shared/icon';
import { evenSpan } from './windowing';

const ITEM_PX = 34;
const LIST_PX = 306;
const BEYOND = 6;

/** A menu for choosing the columns to show. It has a search, and draws only its visible entries. */
@Component({
  selector: 'app-column-menu',
  templateUrl: './column-menu.html',
  styleUrl: './column-menu.scss',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: {
    '(document:pointerdown)': 'closeFrom($event)',
    '(keydown.escape)': 'close()',
  },
})
export class ColumnMenu {
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  private readonly opener = viewChild.required<ElementRef<HTMLButtonElement>>('opener');
  private readonly list = viewChild<ElementRef<HTMLElement>>('list');

  readonly columns = input.required<readonly string[]>();
  readonly hidden = input.required<readonly string[]>();
  readonly hiddenChange = output<readonly string[]>();

  protected readonly isOpen = signal(false);
  protected readonly search = signal('');
  protected readonly scrolledTo = signal(0);
  protected readonly found = computed(() => {
    const search = this.search().trim().toLowerCase();
    return this.columns().filter((column) => column.toLowerCase().includes(search));
  });
  private readonly hiddenSet = computed(() => new Set(this.hidden()));
  protected readonly span = computed(() =>
    evenSpan(this.found().length, ITEM_PX, this.scrolledTo(), LIST_PX, BEYOND),
  );
  protected readonly drawn = computed(() => {
    const { from, to } = this.span();
    return this.found()
      .slice(from, to)
      .map((name, at) => ({ name, index: from + at, shown: !this.hiddenSet().has(name) }));
  });

  protected toggleOpen(): void {
    if (this.isOpen()) return this.close();
    this.search.set('');
    this.scrolledTo.set(0);
    this.isOpen.set(true);
  }

  protected close(): void {
    if (!this.isOpen()) return;
    this.isOpen.set(false);
    this.opener().nativeElement.focus();
  }

  protected closeFrom(event: Event): void {
    if (!this.host.nativeElement.contains(event.target as Node)) this.isOpen.set(false);
  }

  protected find(text: string): void {
    this.search.set(text);
    this.scrolledTo.set(0);
    const list = this.list()?.nativeElement;
    if (list !== undefined) list.scrollTop = 0;
  }

  protected toggle(column: string): void {
    const hidden = this.hidden();
    this.hiddenChange.emit(
      this.hiddenSet().has(column) ? hidden.filter((one) => one !== column) : [...hidden, column],
    );
  }

  /** Shows, or hides, all columns that were found. */
  protected setFound(shown: boolean): void {
    const found = new Set(this.found());
    const others = this.hidden().filter((one) => !found.has(one));
    this.hiddenChange.emit(shown ? others : [...others, ...found]);
  }

  /** Moves the focus to the item before or after the one that has it. */
  protected step(event: Event, by: 1 | -1): void {
    event.preventDefault();
    const items = [
      ...(this.list()?.nativeElement.querySelectorAll<HTMLElement>('[role=menuitemcheckbox]') ?? []),
    ];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items[at === -1 ? 0 : at + by]?.focus();
  }
}
