import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { SharedTableView } from '../core/api/models';
import { Icon } from '../shared/icon';
import { Time } from '../shared/time';

/** How new the rows of a shared table are. */
@Component({
  selector: 'app-freshness',
  template: `
    @switch (state()) {
      @case ('fresh') {
        <span class="badge good"><app-icon name="check" /> Fresh</span>
      }
      @case ('stale') {
        <span class="badge warn" title="No run has loaded it for longer than its config allows">
          <app-icon name="clock" /> Stale
        </span>
      }
    }
    @if (of().loaded_at; as at) {
      <span class="small muted">loaded <app-time [at]="at" /></span>
    } @else {
      <span class="small muted">not loaded yet</span>
    }
  `,
  styles: `
    :host {
      display: inline-flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 4px 8px;
    }
  `,
  imports: [Icon, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class FreshnessBadge {
  readonly of = input.required<Pick<SharedTableView, 'freshness' | 'loaded_at'>>();
  protected readonly state = computed(() => this.of().freshness ?? undefined);
}
