import { HttpClient, HttpResponse } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable, filter, finalize, map, share } from 'rxjs';

import { EventStream } from '../event-stream';
import { Attempt, LogLine, Page, Run, RunKind, RunPage, TriggerAnswer } from './models';
import { yamlForm } from './configs';
import { toParams } from './params';

export interface RunFilter {
  state?: string;
  name?: string;
  kind?: string;
  config_id?: number;
  schedule_id?: string;
  parent_id?: string;
}

/** What is asked for when a run is started. */
export interface StartRun {
  config_id: number;
  kind?: RunKind;
  now?: boolean;
}

/** What happens to a run while somebody watches. */
export type RunEvent = { kind: 'run'; run: Run } | { kind: 'log'; line: LogLine } | { kind: 'open' | 'lost' };

/** Runs: starting, watching, stopping and retrying them. */
@Injectable({ providedIn: 'root' })
export class RunsApi {
  private readonly http = inject(HttpClient);
  private readonly events = inject(EventStream);
  /** One connection a run, however many parts of a page listen: browsers have few. */
  private readonly watched = new Map<string, Observable<RunEvent>>();

  list(only: RunFilter, limit: number, cursor?: string): Observable<RunPage> {
    return this.http.get<RunPage>('/runs', { params: toParams({ ...only, limit, cursor }) });
  }

  find(id: string): Observable<Run> {
    return this.http.get<Run>(`/runs/${id}`);
  }

  attempts(id: string): Observable<Page<Attempt>> {
    return this.http.get<Page<Attempt>>(`/runs/${id}/attempts`);
  }

  /** Keeps a YAML, runs it, and keeps running it as it says. */
  trigger(yaml: string, now: boolean): Observable<TriggerAnswer> {
    return this.http.post<TriggerAnswer>('/trigger-job', yamlForm(yaml), { params: toParams({ now }) });
  }

  /** Runs a version once. */
  start(request: StartRun): Observable<Run> {
    return this.http.post<Run>('/runs', request);
  }

  stop(id: string): Observable<Run> {
    return this.http.post<Run>(`/runs/${id}/stop`, null);
  }

  retry(id: string): Observable<Run> {
    return this.http.post<Run>(`/runs/${id}/retry`, null);
  }

  csv(id: string): Observable<HttpResponse<Blob>> {
    return this.http.get(`/runs/${id}/csv`, { observe: 'response', responseType: 'blob' });
  }

  /** What happens to a run, until it is over. */
  watch(id: string): Observable<RunEvent> {
    const known = this.watched.get(id);
    if (known !== undefined) return known;
    const events = this.events.open(`/runs/${id}/events`).pipe(
      map((signal): RunEvent | undefined => {
        if (signal.kind !== 'message') return { kind: signal.kind };
        const { event, data } = signal.message;
        if (event === 'status') return { kind: 'run', run: JSON.parse(data) as Run };
        if (event === 'log') return { kind: 'log', line: JSON.parse(data) as LogLine };
        return undefined;
      }),
      filter((event) => event !== undefined),
      finalize(() => this.watched.delete(id)),
      share(),
    );
    this.watched.set(id, events);
    return events;
  }
}
