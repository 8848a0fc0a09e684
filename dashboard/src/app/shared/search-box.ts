import { ChangeDetectionStrategy, Component, input, model } from '@angular/core';

import { Icon } from './icon';

/** A search field above a list. The shortcut for searching moves the focus to it. */
@Component({
  selector: 'app-search-box',
  host: { class: 'search' },
  template: `
    <app-icon name="search" />
    <input
      #box
      class="input"
      type="search"
      data-search
      [placeholder]="label()"
      [attr.aria-label]="label()"
      [value]="text()"
      (input)="text.set(box.value)"
    />
  `,
  styles: `
    :host {
      display: block;
      flex: 1 1 240px;
      max-width: 420px;
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SearchBox {
  /** What is searched: it names the field, and is shown while it is empty. */
  readonly label = input.required<string>();
  readonly text = model.required<string>();
}
