import { Signal, computed, effect, inject, untracked } from '@angular/core';
import { Subscription } from 'rxjs';

import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Query, query } from '../core/query';
import { isOver } from '../runs/run-words';

const AGAIN_MS = 1500;

/** A run as it is now, and whether it has ended. */
export interface Followed {
  run: Query<Run>;
  over: Signal<boolean>;
}

/** Follows the run that `id` names until it ends. `undefined`: there is no run yet. Needs an injection context. */
export function followRun(id: () => string | undefined): Followed {
  const api = inject(RunsApi);
  const run: Query<Run> = query(id, (known) => api.find(known), { every: () => (over() ? 0 : AGAIN_MS) });
  const over = computed((): boolean => {
    const now = run.value();
    return now !== undefined && isOver(now);
  });
  effect((onCleanup) => {
    const known = id();
    if (known === undefined) return;
    const stream: Subscription = api.watch(known).subscribe({
      next: (event) => {
        if (event.kind === 'run') run.patch(() => event.run);
      },
      complete: () => untracked(() => run.reload()),
      // Without the stream, the repeated request above shows the same a little later.
      error: () => undefined,
    });
    onCleanup(() => stream.unsubscribe());
  });
  return { run, over };
}
