import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  Injector,
  afterNextRender,
  computed,
  inject,
  input,
  signal,
} from '@angular/core';
import { RouterLink } from '@angular/router';

import { LogLine } from '../core/api/models';
import { exactUtc } from '../core/format';
import { Preferences } from '../core/preferences';
import { Icon } from '../shared/icon';
import { cutAt } from './log-buffer';

/** One line of the log, which can be opened to show its fields. */
@Component({
  selector: 'app-log-row',
  templateUrl: './log-row.html',
  styleUrl: './log-row.scss',
  imports: [Icon, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { '[class]': '"level-" + line().level' },
})
export class LogRow {
  private readonly preferences = inject(Preferences);

  readonly line = input.required<LogLine>();
  readonly search = input('');
  readonly showRun = input(true);

  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  private readonly injector = inject(Injector);

  protected readonly open = signal(false);
  protected readonly parts = computed(() => cutAt(this.line().message, this.search().trim()));
  protected readonly exact = computed(() => exactUtc(Date.parse(this.line().at)));
  protected readonly time = computed(() =>
    new Intl.DateTimeFormat('en-GB', {
      timeZone: this.preferences.current().zone === 'utc' ? 'UTC' : undefined,
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      fractionalSecondDigits: 3,
      hourCycle: 'h23',
    }).format(Date.parse(this.line().at)),
  );
  protected readonly fields = computed(() =>
    Object.entries(this.line().fields).map(([name, value]) => ({
      name,
      value: typeof value === 'string' ? value : JSON.stringify(value),
    })),
  );

  protected toggle(): void {
    this.open.update((open) => !open);
    // The details of the last line are below the end of the list.
    afterNextRender(() => this.host.nativeElement.scrollIntoView({ block: 'nearest' }), {
      injector: this.injector,
    });
  }
}
