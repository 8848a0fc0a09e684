import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { pipelinesList } from './generated/fn/pipelines/pipelines-list';
import { PipelineView } from './generated/models/pipeline-view';
import { Page } from './models';

/** Pipelines: all config versions of the same name together. */
@Injectable({ providedIn: 'root' })
export class PipelinesApi {
  private readonly client = inject(ApiClient);

  /** Pipelines whose name contains `search`, in the order of their names. */
  list(search: string, limit: number, cursor?: string): Observable<Page<PipelineView>> {
    return this.client.call(pipelinesList, given({ search, limit, cursor }));
  }
}
