import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';

import { Run } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { query } from '../core/query';
import { Icon } from '../shared/icon';
import { Time } from '../shared/time';

/** Who stopped a run, as the audit knows it. Shows nothing for a run that was not asked to stop. */
@Component({
  selector: 'app-stopped-by',
  template: `
    @if (run().stop_requested_at; as at) {
      <p class="notice" [class.warn]="run().state === 'running'">
        <app-icon name="stop" />
        <span>
          {{ who() ?? 'Someone' }} asked to stop the run <app-time [at]="at" />.
          @if (run().state === 'running') {
            It ends at its next batch, and no rows stay half loaded.
          }
        </span>
      </p>
    }
  `,
  styles: `
    :host {
      display: contents;
    }
  `,
  imports: [Icon, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class StoppedBy {
  private readonly api = inject(SystemApi);

  readonly run = input.required<Run>();

  private readonly asked = query(
    () => (this.run().stop_requested_at ? this.run().id : undefined),
    (id) => this.api.audit({ object: id, action: '/stop', outcome: 'done' }, 1),
  );
  protected readonly who = computed(() => this.asked.value()?.data[0]?.actor);
}
