import { Injectable, inject } from '@angular/core';
import { Observable, filter, map } from 'rxjs';

import { EventStream } from '../event-stream';
import { ApiClient, given } from './client';
import { logsOfLog } from './generated/fn/logs/logs-of-log';
import { logsSearch } from './generated/fn/logs/logs-search';
import { LogLine, Page } from './models';

export interface LogFilter {
  run_id?: string;
  request_id?: string;
  level?: string;
  text?: string;
}

/** Lines of all processes. */
@Injectable({ providedIn: 'root' })
export class LogsApi {
  private readonly client = inject(ApiClient);
  private readonly events = inject(EventStream);

  /** Newest first. */
  search(only: LogFilter, limit: number, cursor?: string): Observable<Page<LogLine>> {
    return this.client.call(logsSearch, given({ ...only, limit, cursor }));
  }

  /** New lines as they are written. `open`: connected; `lost`: the connection broke and is being restored. */
  follow(only: LogFilter): Observable<LogLine | 'open' | 'lost'> {
    const asked = new URLSearchParams(Object.entries(given(only)));
    return this.events.open(`${logsOfLog.PATH}?${asked}`).pipe(
      filter((signal) => signal.kind !== 'message' || signal.message.event === 'log'),
      map((signal) =>
        signal.kind === 'message' ? (JSON.parse(signal.message.data) as LogLine) : signal.kind,
      ),
    );
  }
}
