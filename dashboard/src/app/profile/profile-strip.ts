import { ChangeDetectionStrategy, Component, computed, input, output } from '@angular/core';

import { ColumnProfile } from '../core/api/models';
import { Bars } from './bars';
import { differentShort, ends, missing, sentence } from './profile-words';

/** What the values of one column look like, above the column. A click asks for more. */
@Component({
  selector: 'app-profile-strip',
  template: `
    <button
      type="button"
      [attr.aria-label]="'Profile of ' + column().name + ': ' + words()"
      [title]="words()"
      (click)="opened.emit()"
    >
      <app-bars [counts]="column().histogram?.counts ?? shares()" />
      <span class="line">{{ missing() }} missing · {{ different() }} different</span>
      <span class="line">{{ between() }}&nbsp;</span>
    </button>
  `,
  styles: `
    button {
      display: grid;
      gap: 2px;
      width: 100%;
      min-width: 128px;
      max-width: 220px;
      padding: 2px 12px 7px;
      border: 0;
      background: none;
      color: var(--muted);
      font: 450 11px/1.3 var(--font);
      text-align: left;
      cursor: pointer;
    }
    button:hover {
      background: var(--surface-3);
    }
    button:focus-visible {
      outline-offset: -2px;
    }
    .line {
      overflow: hidden;
      text-overflow: ellipsis;
      white-space: nowrap;
    }
  `,
  imports: [Bars],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ProfileStrip {
  readonly column = input.required<ColumnProfile>();
  /** Rows that the profile is about. */
  readonly rows = input.required<number>();
  readonly opened = output();

  /** The commonest values as bars, of a column without a histogram. */
  protected readonly shares = computed(() => (this.column().top ?? []).map((top) => top.count ?? 0));
  protected readonly missing = computed(() => missing(this.column(), this.rows()));
  protected readonly different = computed(() => differentShort(this.column()));
  protected readonly between = computed(() => ends(this.column()));
  protected readonly words = computed(() => sentence(this.column(), this.rows()));
}
