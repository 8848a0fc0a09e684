import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { bytes, count, duration, plural } from '../core/format';
import { Icon } from '../shared/icon';
import { ConnectionReport } from './report';

/** What a test of the connections showed: every source and the target, one below the other. */
@Component({
  selector: 'app-connections',
  templateUrl: './connections.html',
  styleUrl: './connections.scss',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Connections {
  readonly connections = input.required<readonly ConnectionReport[]>();

  protected readonly unusable = computed(() => this.connections().filter((one) => !one.usable).length);
  protected readonly bytes = bytes;
  protected readonly count = count;
  protected readonly duration = duration;
  protected readonly plural = plural;
}
