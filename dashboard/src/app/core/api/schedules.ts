import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { overviewNumbers } from './generated/fn/overview/overview-numbers';
import { schedulesCreate } from './generated/fn/schedules/schedules-create';
import { schedulesList } from './generated/fn/schedules/schedules-list';
import { schedulesPause } from './generated/fn/schedules/schedules-pause';
import { schedulesResume } from './generated/fn/schedules/schedules-resume';
import { schedulesStop } from './generated/fn/schedules/schedules-stop';
import { CreateSchedule } from './generated/models/create-schedule';
import { Overview } from './generated/models/overview';
import { ScheduleView } from './generated/models/schedule-view';
import { Page } from './models';

export interface ScheduleFilter {
  state?: string;
  name?: string;
}

/** Schedules, and the numbers of the overview. */
@Injectable({ providedIn: 'root' })
export class SchedulesApi {
  private readonly client = inject(ApiClient);

  overview(): Observable<Overview> {
    return this.client.call(overviewNumbers, {});
  }

  list(only: ScheduleFilter, limit: number, cursor?: string): Observable<Page<ScheduleView>> {
    return this.client.call(schedulesList, given({ ...only, limit, cursor }));
  }

  create(request: CreateSchedule): Observable<ScheduleView> {
    return this.client.call(schedulesCreate, { body: given(request) });
  }

  stop(id: string): Observable<ScheduleView> {
    return this.client.call(schedulesStop, { id });
  }

  pause(id: string): Observable<ScheduleView> {
    return this.client.call(schedulesPause, { id });
  }

  resume(id: string): Observable<ScheduleView> {
    return this.client.call(schedulesResume, { id });
  }
}
