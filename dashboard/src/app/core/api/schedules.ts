import { HttpClient } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { CreateSchedule, Overview, Page, Schedule } from './models';
import { toParams } from './params';

export interface ScheduleFilter {
  state?: string;
  name?: string;
}

/** Schedules, and how things stand. */
@Injectable({ providedIn: 'root' })
export class SchedulesApi {
  private readonly http = inject(HttpClient);

  overview(): Observable<Overview> {
    return this.http.get<Overview>('/overview');
  }

  list(only: ScheduleFilter, limit: number, cursor?: string): Observable<Page<Schedule>> {
    return this.http.get<Page<Schedule>>('/schedules', { params: toParams({ ...only, limit, cursor }) });
  }

  create(request: CreateSchedule): Observable<Schedule> {
    return this.http.post<Schedule>('/schedules', request);
  }

  stop(id: string): Observable<Schedule> {
    return this.http.post<Schedule>(`/schedules/${id}/stop`, null);
  }

  pause(id: string): Observable<Schedule> {
    return this.http.post<Schedule>(`/schedules/${id}/pause`, null);
  }

  resume(id: string): Observable<Schedule> {
    return this.http.post<Schedule>(`/schedules/${id}/resume`, null);
  }
}
