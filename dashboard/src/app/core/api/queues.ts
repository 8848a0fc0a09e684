import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { queuesLimit } from './generated/fn/queues/queues-limit';
import { queuesList } from './generated/fn/queues/queues-list';
import { queuesPause } from './generated/fn/queues/queues-pause';
import { PauseView } from './generated/models/pause-view';
import { QueueList } from './generated/models/queue-list';

/** Queues: what waits on them, pausing one, and how many of their runs may be at work. */
@Injectable({ providedIn: 'root' })
export class QueuesApi {
  private readonly client = inject(ApiClient);

  list(): Observable<QueueList> {
    return this.client.call(queuesList, {});
  }

  /** Pauses a queue; `reason` may be empty. */
  pause(name: string, reason: string): Observable<PauseView> {
    return this.client.call(queuesPause, { name, body: given({ reason }) });
  }

  /** Sets how many of its runs may be at work at the same time; `null` removes the limit. */
  limit(name: string, concurrency: number | null): Observable<void> {
    return this.client.call(queuesLimit, { name, body: { concurrency } });
  }
}
