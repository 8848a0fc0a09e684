import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { pipelinesList } from './generated/fn/pipelines/pipelines-list';
import { pipelinesPause } from './generated/fn/pipelines/pipelines-pause';
import { pipelinesResume } from './generated/fn/pipelines/pipelines-resume';
import { queuesResumeAll } from './generated/fn/queues/queues-resume-all';
import { queuesResume } from './generated/fn/queues/queues-resume';
import { PauseView } from './generated/models/pause-view';
import { PipelineView } from './generated/models/pipeline-view';
import { ResumeAnswer } from './generated/models/resume-answer';
import { Page } from './models';

/** Pipelines: all config versions of the same name together. Pauses of them, of queues and of everything. */
@Injectable({ providedIn: 'root' })
export class PipelinesApi {
  private readonly client = inject(ApiClient);

  /** Pipelines whose name contains `search`, in the order of their names. */
  list(search: string, limit: number, cursor?: string): Observable<Page<PipelineView>> {
    return this.client.call(pipelinesList, given({ search, limit, cursor }));
  }

  /** Pauses a pipeline; `reason` may be empty. */
  pause(name: string, reason: string): Observable<PauseView> {
    return this.client.call(pipelinesPause, { name, body: given({ reason }) });
  }

  /** Ends a pause, whatever it is about. */
  resume({ scope, name }: Pick<PauseView, 'scope' | 'name'>): Observable<ResumeAnswer> {
    switch (scope) {
      case 'pipeline':
        return this.client.call(pipelinesResume, { name });
      case 'queue':
        return this.client.call(queuesResume, { name });
      case 'all':
        return this.client.call(queuesResumeAll, {});
    }
  }
}
