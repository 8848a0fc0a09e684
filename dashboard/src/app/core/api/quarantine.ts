import { HttpClient, HttpParams, HttpResponse } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { given } from './client';
import { Page, QuarantinedRow, Run } from './models';

/** Rejected rows of one run, or of everything a config's table rejected. */
export interface QuarantineFilter {
  run_id?: string;
  config_id?: number;
  code?: string;
  column?: string;
}

export interface Replay {
  run_id: string;
  config_id?: number;
  ids?: number[];
}

/** Rows that broke the contract. */
@Injectable({ providedIn: 'root' })
export class QuarantineApi {
  private readonly http = inject(HttpClient);

  list(only: QuarantineFilter, limit: number, cursor?: string): Observable<Page<QuarantinedRow>> {
    const params = new HttpParams({ fromObject: given({ ...only, limit, cursor: cursor ?? '' }) });
    return this.http.get<Page<QuarantinedRow>>('/quarantine', { params });
  }

  csv(only: QuarantineFilter): Observable<HttpResponse<Blob>> {
    const params = new HttpParams({ fromObject: given({ ...only }) });
    return this.http.get('/quarantine/export', { params, observe: 'response', responseType: 'blob' });
  }

  /** Loads rejected rows after all, as a run of its own. */
  replay(request: Replay): Observable<Run> {
    return this.http.post<Run>('/quarantine/replay', request);
  }
}
