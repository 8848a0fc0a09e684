import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { Run } from '../core/api/models';
import { whyWaiting } from '../runs/run-words';
import { ErrorCode } from '../shared/error-code';
import { Icon } from '../shared/icon';

/** Why a run waits, or why it failed. Shows nothing for any other run. */
@Component({
  selector: 'app-hindrance',
  template: `
    @let now = run();
    @if (waiting(); as waiting) {
      <p class="notice">
        <app-icon name="hourglass" /><span>{{ waiting }}</span>
      </p>
    }
    @if (now.error) {
      <div class="notice bad" role="alert">
        <app-icon name="error" />
        <div>
          <p>
            <b>{{ now.error }}</b>
          </p>
          <p>{{ now.next_step }}</p>
          <app-error-code [code]="now.error_code" />
        </div>
      </div>
    }
  `,
  styles: `
    :host {
      display: contents;
    }
  `,
  imports: [ErrorCode, Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Hindrance {
  readonly run = input.required<Run>();
  protected readonly waiting = computed(() => whyWaiting(this.run(), undefined, Date.now()));
}
