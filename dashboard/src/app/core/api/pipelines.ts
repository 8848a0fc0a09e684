import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { pipelinesClearState } from './generated/fn/pipelines/pipelines-clear-state';
import { pipelinesList } from './generated/fn/pipelines/pipelines-list';
import { pipelinesOne } from './generated/fn/pipelines/pipelines-one';
import { pipelinesPause } from './generated/fn/pipelines/pipelines-pause';
import { pipelinesResume } from './generated/fn/pipelines/pipelines-resume';
import { pipelinesSetState } from './generated/fn/pipelines/pipelines-set-state';
import { pipelinesShowState } from './generated/fn/pipelines/pipelines-show-state';
import { queuesResumeAll } from './generated/fn/queues/queues-resume-all';
import { queuesResume } from './generated/fn/queues/queues-resume';
import { PauseView } from './generated/models/pause-view';
import { PipelineDetail } from './generated/models/pipeline-detail';
import { PipelineView } from './generated/models/pipeline-view';
import { ResumeAnswer } from './generated/models/resume-answer';
import { StateView } from './generated/models/state-view';
import { Page } from './models';

/** Pipelines: all config versions of the same name together. Pauses of them, of queues and of everything. */
@Injectable({ providedIn: 'root' })
export class PipelinesApi {
  private readonly client = inject(ApiClient);

  /** Pipelines whose name contains `search`, in the order of their names, each with its newest `runs`. */
  list(search: string, limit: number, cursor?: string, runs?: number): Observable<Page<PipelineView>> {
    return this.client.call(pipelinesList, given({ search, limit, cursor, runs }));
  }

  /** One pipeline: its sources and target, its receivers of messages, and its open incidents. */
  find(name: string): Observable<PipelineDetail> {
    return this.client.call(pipelinesOne, { name });
  }

  /** Pauses a pipeline; `reason` may be empty. */
  pause(name: string, reason: string): Observable<PauseView> {
    return this.client.call(pipelinesPause, { name, body: given({ reason }) });
  }

  /** The cursors of the incremental sources of a pipeline. */
  state(name: string): Observable<StateView> {
    return this.client.call(pipelinesShowState, { name });
  }

  /** Lets the next run read the source with this number from a value. */
  setState(name: string, source: number, value: string): Observable<StateView> {
    return this.client.call(pipelinesSetState, { name, body: { source, value } });
  }

  /** Lets the next run read the source with this number as the first run did. */
  clearState(name: string, source: number): Observable<StateView> {
    return this.client.call(pipelinesClearState, { name, source });
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
