import { HttpClient, HttpParams, HttpResponse } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { quarantineExport } from './generated/fn/quarantine/quarantine-export';
import { quarantineList } from './generated/fn/quarantine/quarantine-list';
import { quarantineReplay } from './generated/fn/quarantine/quarantine-replay';
import { QuarantinedRow } from './generated/models/quarantined-row';
import { Replay } from './generated/models/replay';
import { Page, Run } from './models';

/** Rejected rows of one run, or of everything a config's table rejected. */
export interface QuarantineFilter {
  run_id?: string;
  config_id?: number;
}

/** Rows that broke the contract. */
@Injectable({ providedIn: 'root' })
export class QuarantineApi {
  private readonly http = inject(HttpClient);
  private readonly client = inject(ApiClient);

  list(only: QuarantineFilter, limit: number, cursor?: string): Observable<Page<QuarantinedRow>> {
    return this.client.call(quarantineList, given({ ...only, limit, cursor }));
  }

  /** Rejected rows as a file, to mend. */
  csv(only: QuarantineFilter): Observable<HttpResponse<Blob>> {
    const params = new HttpParams({ fromObject: { ...given(only) } });
    return this.http.get(quarantineExport.PATH, { params, observe: 'response', responseType: 'blob' });
  }

  /** Loads rejected rows after all, as a run of its own. */
  replay(request: Replay): Observable<Run> {
    return this.client.call(quarantineReplay, { body: request });
  }
}
