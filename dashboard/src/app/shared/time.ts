import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';

import { Clock } from '../core/clock';
import { clockTime, exactUtc, minuteTime, relative } from '../core/format';
import { Preferences } from '../core/preferences';

/** A point in time in the reader's words and zone. Hovering over it shows the exact UTC time. */
@Component({
  selector: 'app-time',
  template: `
    @if (ms() !== undefined) {
      <time [attr.datetime]="iso()" [title]="exact()">{{ shown() }}</time>
    } @else {
      <span class="muted">{{ none() }}</span>
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'nowrap' },
})
export class Time {
  private readonly clock = inject(Clock);
  private readonly preferences = inject(Preferences);

  /** RFC 3339. */
  readonly at = input.required<string | null | undefined>();
  readonly as = input<'relative' | 'clock' | 'minute'>('relative');
  readonly none = input('–');

  protected readonly ms = computed(() => {
    const at = this.at();
    const ms = at ? Date.parse(at) : NaN;
    return Number.isNaN(ms) ? undefined : ms;
  });
  protected readonly iso = computed(() => new Date(this.ms() ?? 0).toISOString());
  protected readonly exact = computed(() => exactUtc(this.ms() ?? 0));
  protected readonly shown = computed(() => {
    const ms = this.ms() ?? 0;
    const zone = this.preferences.current().zone;
    switch (this.as()) {
      case 'clock':
        return clockTime(ms, zone);
      case 'minute':
        return minuteTime(ms, zone);
      case 'relative':
        return relative(ms, this.nowFor(ms));
    }
  });

  /** The time to compare with. The page's clock moves in steps, so an event since its last step is newer than the clock. */
  private nowFor(ms: number): number {
    const now = this.clock.now();
    return ms > now ? Math.max(now, Math.min(ms, Date.now())) : now;
  }
}
