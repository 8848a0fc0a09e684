import { HttpClient, HttpResponse } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable, filter, finalize, map, share } from 'rxjs';

import { EventStream } from '../event-stream';
import { ApiClient, given } from './client';
import { runsAttempts } from './generated/fn/runs/runs-attempts';
import { runsDownload$Csv } from './generated/fn/runs/runs-download-csv';
import { runsList } from './generated/fn/runs/runs-list';
import { runsOfRun } from './generated/fn/runs/runs-of-run';
import { runsOne } from './generated/fn/runs/runs-one';
import { runsRetryFailed } from './generated/fn/runs/runs-retry-failed';
import { runsRetry } from './generated/fn/runs/runs-retry';
import { runsStart } from './generated/fn/runs/runs-start';
import { runsStop } from './generated/fn/runs/runs-stop';
import { runsTriggerJob$Yaml } from './generated/fn/runs/runs-trigger-job-yaml';
import { runsUndo } from './generated/fn/runs/runs-undo';
import { runsVerify } from './generated/fn/runs/runs-verify';
import { AttemptView } from './generated/models/attempt-view';
import { RunPage } from './generated/models/run-page';
import { StartRun } from './generated/models/start-run';
import { TriggerAnswer } from './generated/models/trigger-answer';
import { LogLine, Outcome, RetriedRuns, RetryRuns, Run } from './models';

export interface RunFilter {
  state?: string;
  name?: string;
  /** A part of the pipeline's name. */
  search?: string;
  /** RFC 3339. */
  since?: string;
  /** RFC 3339. */
  until?: string;
  kind?: string;
  outcome?: Outcome;
  config_id?: number;
  schedule_id?: string;
  parent_id?: string;
}

/** An event of a run that is being watched. */
export type RunEvent = { kind: 'run'; run: Run } | { kind: 'log'; line: LogLine } | { kind: 'open' | 'lost' };

/** Runs: starting, watching, stopping and retrying them. */
@Injectable({ providedIn: 'root' })
export class RunsApi {
  private readonly http = inject(HttpClient);
  private readonly client = inject(ApiClient);
  private readonly events = inject(EventStream);
  /** One connection for each run, shared by all parts of a page, because browsers allow only a few. */
  private readonly watched = new Map<string, Observable<RunEvent>>();

  /** Runs without their reports, which may be long. */
  list(only: RunFilter, limit: number, cursor?: string): Observable<RunPage> {
    return this.client.call(runsList, { ...given({ ...only, limit, cursor }), reports: false });
  }

  /** Runs with their reports. For a few runs only, because each report may be long. */
  withReports(only: RunFilter, limit: number): Observable<RunPage> {
    return this.client.call(runsList, given({ ...only, limit }));
  }

  find(id: string): Observable<Run> {
    return this.client.call(runsOne, { id });
  }

  /** Stores a YAML, runs it, and creates the schedule it describes. */
  trigger(yaml: string, now: boolean): Observable<TriggerAnswer> {
    return this.client.call(runsTriggerJob$Yaml, { body: yaml, now });
  }

  /** Starts one run of a version: a load, a plan, a check or a connection test. */
  start(request: StartRun): Observable<Run> {
    return this.client.call(runsStart, { body: request });
  }

  stop(id: string): Observable<Run> {
    return this.client.call(runsStop, { id });
  }

  retry(id: string): Observable<Run> {
    return this.client.call(runsRetry, { id });
  }

  /** Retries failed runs, each as a new run. A dry run only says which. */
  retryFailed(request: RetryRuns): Observable<RetriedRuns> {
    return this.client.call(runsRetryFailed, { body: request });
  }

  /** Starts a run that deletes the rows that a run added. */
  undo(id: string): Observable<Run> {
    return this.client.call(runsUndo, { id });
  }

  /** Starts a run that compares the table and the sources with what a run loaded. */
  verify(id: string): Observable<Run> {
    return this.client.call(runsVerify, { id });
  }

  attempts(id: string): Observable<{ data: AttemptView[] }> {
    return this.client.call(runsAttempts, { id });
  }

  /** The combined CSV, as a file. */
  csv(id: string): Observable<HttpResponse<Blob>> {
    return this.http.get(runsDownload$Csv.PATH.replace('{id}', id), {
      observe: 'response',
      responseType: 'blob',
    });
  }

  /** The events of a run, until it ends. */
  watch(id: string): Observable<RunEvent> {
    const known = this.watched.get(id);
    if (known !== undefined) return known;
    const events = this.events.open(runsOfRun.PATH.replace('{id}', id)).pipe(
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
