import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { pipelinesList } from './generated/fn/pipelines/pipelines-list';
import { PipelineView } from './generated/models/pipeline-view';
import { Page } from './models';

/** Pipelines: one entry for everything that shares a name. */
@Injectable({ providedIn: 'root' })
export class PipelinesApi {
  private readonly client = inject(ApiClient);

  /** In the order of their names; those whose name contains `search`. */
  list(search: string, limit: number, cursor?: string): Observable<Page<PipelineView>> {
    return this.client.call(pipelinesList, given({ search, limit, cursor }));
  }
}
