import { Signal, inject } from '@angular/core';
import { map } from 'rxjs';

import { PipelinesApi } from './api/pipelines';
import { Query, query } from './query';
import { settled } from './settled';

/** Most names at a time. */
const SUGGESTED = 50;

/** Names of pipelines that contain what is typed into a text field, to choose from. Needs an injection context. */
export function pipelineNames(text: Signal<string>): Query<string[]> {
  const api = inject(PipelinesApi);
  return query(
    settled(text),
    (search) => api.list(search, SUGGESTED).pipe(map((page) => page.data.map((pipeline) => pipeline.name))),
    // The names found before stay until the next search has its answer.
    { identity: () => 'pipelines' },
  );
}
