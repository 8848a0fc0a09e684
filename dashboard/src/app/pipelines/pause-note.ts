import { ChangeDetectionStrategy, Component, input } from '@angular/core';

import { PauseView } from '../core/api/models';
import { Icon } from '../shared/icon';
import { Time } from '../shared/time';

/** Who paused a pipeline or a queue, when, and why. */
@Component({
  selector: 'app-pause-note',
  template: `
    @let now = pause();
    <p class="small">
      <span class="badge warn"
        ><app-icon name="pause" /> {{ now.scope === 'all' ? 'Everything is paused' : 'Paused' }}</span
      >
      by {{ now.paused_by }}, <app-time [at]="now.paused_at" />
      @if (now.reason) {
        · {{ now.reason }}
      }
    </p>
  `,
  styles: `
    p {
      margin-top: 4px;
      font-weight: 400;
      overflow-wrap: anywhere;
    }
  `,
  imports: [Icon, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PauseNote {
  readonly pause = input.required<PauseView>();
}
