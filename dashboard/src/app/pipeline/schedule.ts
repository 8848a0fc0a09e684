import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { SchedulesApi } from '../core/api/schedules';
import { Schedule } from '../core/api/models';
import { count, plural } from '../core/format';
import { query } from '../core/query';
import { inZone, rhythm } from '../schedules/schedule-words';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';

const LIVE = 'waiting,active,stopping';
const AGAIN_MS = 5000;

/** What starts the runs of a pipeline by itself, and when. */
@Component({
  selector: 'app-pipeline-schedule',
  templateUrl: './schedule.html',
  imports: [Empty, Icon, QueryState, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PipelineSchedule {
  private readonly api = inject(SchedulesApi);

  readonly name = input.required<string>();

  // A pipeline has at most one live schedule.
  protected readonly schedules = query(
    () => this.name(),
    (name) => this.api.list({ name, state: LIVE }, 1),
    { every: AGAIN_MS },
  );

  protected readonly rhythm = rhythm;
  protected readonly inZone = inZone;
  protected readonly plural = plural;
  protected readonly count = count;

  protected stateOf(schedule: Schedule): string {
    return schedule.paused ? 'paused' : schedule.state;
  }
}
