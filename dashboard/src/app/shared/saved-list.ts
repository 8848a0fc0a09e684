import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  inject,
  input,
  output,
  viewChild,
} from '@angular/core';

import { Focus } from '../core/focus';
import { Icon } from './icon';

/** The list of what a user has saved under a name, with the buttons that save, rename and delete. */
@Component({
  selector: 'app-saved-list',
  template: `
    <select #list class="select" [attr.aria-label]="label()" (change)="chosen.emit(list.value)">
      <option value="" [selected]="now() === ''">{{ first() }}</option>
      @if (now() === undefined) {
        <option value="" disabled selected>Not saved</option>
      }
      @for (name of names(); track name) {
        <option [value]="name" [selected]="name === now()">{{ name }}</option>
      }
    </select>
    @if (now(); as name) {
      @if (renames()) {
        <button
          type="button"
          class="btn s icon-only"
          [attr.aria-label]="'Rename the ' + noun() + ' ' + name"
          title="Rename"
          [disabled]="busy()"
          (click)="rename.emit(name)"
        >
          <app-icon name="edit" />
        </button>
      }
      <button
        type="button"
        class="btn s icon-only"
        [attr.aria-label]="'Delete the ' + noun() + ' ' + name"
        title="Delete"
        [disabled]="busy()"
        (click)="remove.emit(name)"
      >
        <app-icon name="trash" />
      </button>
    } @else if (savable()) {
      <button type="button" class="btn s" (click)="save.emit()">{{ saves() }}</button>
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
      max-width: 200px;
      text-overflow: ellipsis;
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SavedList {
  private readonly focusing = inject(Focus);
  private readonly list = viewChild<ElementRef<HTMLElement>>('list');

  /** The name of the list to a screen reader. */
  readonly label = input.required<string>();
  /** The first entry, which stands for nothing saved. */
  readonly first = input.required<string>();
  readonly names = input.required<readonly string[]>();
  /** What is shown now: a name, empty for the first entry, `undefined` for what has no name yet. */
  readonly now = input.required<string | undefined>();
  /** What one of them is called, such as `saved filter`. */
  readonly noun = input.required<string>();
  /** The label of the button that saves. */
  readonly saves = input.required<string>();
  /** Whether there is something to save. */
  readonly savable = input(true);
  readonly renames = input(false);
  readonly busy = input(false);

  /** A name, or empty for the first entry. */
  readonly chosen = output<string>();
  readonly save = output();
  readonly rename = output<string>();
  readonly remove = output<string>();

  /** Moves the focus to the list, because the button that had it is gone once something was saved or deleted. */
  focus(): void {
    this.focusing.moveTo(this.list);
  }
}
