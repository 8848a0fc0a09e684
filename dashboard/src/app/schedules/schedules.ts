import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Router, RouterLink } from '@angular/router';
import { Observable } from 'rxjs';

import { Schedule } from '../core/api/models';
import { SchedulesApi } from '../core/api/schedules';
import { Clock } from '../core/clock';
import { count, plural } from '../core/format';
import { paged } from '../core/paged';
import { Preferences } from '../core/preferences';
import { toProblem } from '../core/problem';
import { Shortcuts } from '../core/shortcuts';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { inZone, rhythm } from './schedule-words';
import { lanesOf, marksOf } from './time-axis';

const AGAIN_MS = 5000;
const HOUR = 3_600_000;
const SPANS = [
  { hours: 6, label: '6 h' },
  { hours: 24, label: 'Day' },
  { hours: 168, label: 'Week' },
];
const USUAL_SPAN = 24;
const LIVE = 'waiting,active,stopping';

/** The schedules: which pipelines start by themselves, and when. */
@Component({
  selector: 'app-schedules',
  templateUrl: './schedules.html',
  styleUrl: './schedules.scss',
  imports: [Empty, Icon, More, PageHeader, QueryState, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Schedules {
  private readonly api = inject(SchedulesApi);
  private readonly clock = inject(Clock);
  private readonly preferences = inject(Preferences);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);

  readonly name = input<string>();
  readonly show = input<string>();
  /** Hours that the timeline shows. */
  readonly hours = input<string>();

  protected readonly ended = computed(() => this.show() === 'all');
  protected readonly list = paged(
    () => ({ name: this.name(), state: this.ended() ? undefined : LIVE }),
    (only, cursor) => this.api.list(only, 50, cursor),
    (schedule) => schedule.id,
    { every: AGAIN_MS },
  );
  protected readonly spans = SPANS;
  protected readonly span = computed(
    () => SPANS.find((one) => String(one.hours) === this.hours())?.hours ?? USUAL_SPAN,
  );
  private readonly from = computed(() => this.clock.now() - (this.span() * HOUR) / 12);
  private readonly to = computed(() => this.from() + this.span() * HOUR);
  protected readonly lanes = computed(() => {
    const live = (this.list.items() ?? []).filter((one) => LIVE.includes(one.state));
    return lanesOf(live, this.from(), this.to());
  });
  protected readonly marks = computed(() =>
    marksOf(this.from(), this.to(), this.preferences.current().zone === 'utc' ? 'UTC' : undefined),
  );
  protected readonly nowAt = computed(
    () => ((this.clock.now() - this.from()) / (this.to() - this.from())) * 100,
  );

  protected readonly count = count;
  protected readonly plural = plural;
  protected readonly rhythm = rhythm;
  protected readonly inZone = inZone;

  constructor() {
    inject(Shortcuts).offerReload(this.list.first);
  }

  protected isLive(schedule: Schedule): boolean {
    return schedule.state === 'waiting' || schedule.state === 'active';
  }

  protected stateOf(schedule: Schedule): string {
    return schedule.paused && this.isLive(schedule) ? 'paused' : schedule.state;
  }

  protected setSpan(hours: number): void {
    void this.router.navigate([], {
      queryParams: { hours: hours === USUAL_SPAN ? null : hours },
      queryParamsHandling: 'merge',
      replaceUrl: true,
    });
  }

  protected showEnded(ended: boolean): void {
    void this.router.navigate([], {
      queryParams: { show: ended ? 'all' : null },
      queryParamsHandling: 'merge',
    });
  }

  protected setPaused(schedule: Schedule, paused: boolean): void {
    // Shown before the server answers. Its answer, or the next refresh of the list, corrects it if necessary.
    this.list.replace({ ...schedule, paused });
    this.act(paused ? this.api.pause(schedule.id) : this.api.resume(schedule.id));
  }

  protected stop(schedule: Schedule): void {
    this.confirmation
      .ask({
        title: `Stop the schedule of ${schedule.name}?`,
        words:
          'It starts no more runs, and its current run stops at its next batch. To schedule the pipeline again, create a new schedule.',
        yes: 'Stop the schedule',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.act(this.api.stop(schedule.id));
      });
  }

  private act(call: Observable<Schedule>): void {
    call.subscribe({
      next: (schedule) => this.list.replace(schedule),
      error: (error: unknown) => {
        this.toaster.warn(toProblem(error));
        this.list.first.reload();
      },
    });
  }
}
