import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { backfillsCancel } from './generated/fn/backfills/backfills-cancel';
import { backfillsList } from './generated/fn/backfills/backfills-list';
import { backfillsOne } from './generated/fn/backfills/backfills-one';
import { backfillsPlan } from './generated/fn/backfills/backfills-plan';
import { backfillsResume } from './generated/fn/backfills/backfills-resume';
import { backfillsStart } from './generated/fn/backfills/backfills-start';
import { backfillsWindows } from './generated/fn/backfills/backfills-windows';
import { BackfillPlan, BackfillView, BackfillWindow, Page, StartBackfill } from './models';

/** Backfills: a range of time that is loaded in windows, each by a run of its own. */
@Injectable({ providedIn: 'root' })
export class BackfillsApi {
  private readonly client = inject(ApiClient);

  /** Backfills, newest first; only of one pipeline when `name` is given. */
  list(name: string | undefined, limit: number, cursor?: string): Observable<Page<BackfillView>> {
    return this.client.call(backfillsList, given({ name, limit, cursor }));
  }

  find(id: string): Observable<BackfillView> {
    return this.client.call(backfillsOne, { id });
  }

  /** Windows in one of the states, the oldest first. `state` is a list separated by commas; empty: every state. */
  windows(id: string, state: string, limit: number, cursor?: string): Observable<Page<BackfillWindow>> {
    return this.client.call(backfillsWindows, { id, ...given({ state, limit, cursor }) });
  }

  /** The windows that a backfill would have. Nothing is started. */
  plan(request: StartBackfill): Observable<BackfillPlan> {
    return this.client.call(backfillsPlan, { body: request });
  }

  start(request: StartBackfill): Observable<BackfillView> {
    return this.client.call(backfillsStart, { body: request });
  }

  cancel(id: string): Observable<BackfillView> {
    return this.client.call(backfillsCancel, { id });
  }

  /** Loads windows again that have failed or were stopped, and goes on with those that were not started. */
  resume(id: string): Observable<BackfillView> {
    return this.client.call(backfillsResume, { id });
  }
}
