import { HttpClient } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable, filter, map } from 'rxjs';

import { EventStream } from '../event-stream';
import { LogLine, Page } from './models';
import { toParams } from './params';

export interface LogFilter {
  run_id?: string;
  level?: string;
  text?: string;
  process?: string;
  trace_id?: string;
}

/** Lines of all processes. */
@Injectable({ providedIn: 'root' })
export class LogsApi {
  private readonly http = inject(HttpClient);
  private readonly events = inject(EventStream);

  /** Newest first. */
  search(filter: LogFilter, limit: number, cursor?: string): Observable<Page<LogLine>> {
    return this.http.get<Page<LogLine>>('/logs/search', { params: toParams({ ...filter, limit, cursor }) });
  }

  /** New lines as they are written. `open`: listening (again); `lost`: not for the moment. */
  follow(only: LogFilter): Observable<LogLine | 'open' | 'lost'> {
    return this.events.open(`/logs/follow?${toParams(only).toString()}`).pipe(
      filter((signal) => signal.kind !== 'message' || signal.message.event === 'log'),
      map((signal) =>
        signal.kind === 'message' ? (JSON.parse(signal.message.data) as LogLine) : signal.kind,
      ),
    );
  }
}
