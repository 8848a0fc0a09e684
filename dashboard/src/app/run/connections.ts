import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { bytes, count, duration, plural } from '../core/format';
import { ErrorCode } from '../shared/error-code';
import { Icon } from '../shared/icon';
import { ProbeReport } from '../core/api/models';

/** The result of a connection test: each source, then the target. */
@Component({
  selector: 'app-connections',
  templateUrl: './connections.html',
  styleUrl: './connections.scss',
  imports: [ErrorCode, Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Connections {
  readonly connections = input.required<readonly ProbeReport[]>();

  protected readonly unusable = computed(() => this.connections().filter((one) => !one.usable).length);
  protected readonly bytes = bytes;
  protected readonly count = count;
  protected readonly duration = duration;
  protected readonly plural = plural;
}
