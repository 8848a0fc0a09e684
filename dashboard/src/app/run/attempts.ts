import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';

import { Attempt, Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { duration, plural } from '../core/format';
import { query } from '../core/query';
import { Empty } from '../shared/empty';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';

/** Each start of a run, with its worker and its end. */
@Component({
  selector: 'app-attempts',
  template: `
    <section class="card">
      <app-query-state [query]="attempts" />
      @if (attempts.value(); as list) {
        @if (list.data.length === 0) {
          <app-empty icon="hourglass" title="Not started yet">
            <p>A worker starts the run as soon as one is free.</p>
          </app-empty>
        } @else {
          <div class="table-wrap" role="region" aria-label="Attempts" tabindex="0">
            <table class="table fold">
              <thead>
                <tr>
                  <th scope="col" class="num">Attempt</th>
                  <th scope="col">Result</th>
                  <th scope="col">Worker</th>
                  <th scope="col">Started</th>
                  <th scope="col" class="num">Duration</th>
                </tr>
              </thead>
              <tbody>
                @for (attempt of list.data; track attempt.epoch) {
                  <tr>
                    <td class="num" data-label="Attempt">{{ attempt.epoch }}</td>
                    <td class="end-words">
                      <app-state
                        [state]="attempt.outcome ?? (attempt.finished_at ? 'stopped' : run().state)"
                      />
                      @if (attempt.error) {
                        <p class="small">{{ attempt.error }}</p>
                      }
                    </td>
                    <td>
                      <code>{{ attempt.worker_id }}</code>
                    </td>
                    <td><app-time as="clock" [at]="attempt.started_at" /></td>
                    <td class="num after" data-label="Duration">{{ took(attempt) }}</td>
                  </tr>
                }
              </tbody>
            </table>
          </div>
        }
      }
      <p class="foot">
        {{ plural(run().epoch, 'attempt') }}, of which {{ run().attempt }} count towards the limit of
        {{ run().max_attempts }}. An attempt does not count when it only waited for the table, when its worker
        shut down, or when it only asked the target how an earlier attempt ended. After a lost connection or a
        lost worker, the run is tried again; after bad input, it is not.
      </p>
    </section>
  `,
  styles: `
    .end-words p {
      margin-top: 4px;
      overflow-wrap: anywhere;
    }
  `,
  imports: [Empty, QueryState, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Attempts {
  private readonly api = inject(RunsApi);

  readonly run = input.required<Run>();

  private readonly wanted = computed(
    () => ({ id: this.run().id, attempt: this.run().attempt, state: this.run().state }),
    {
      equal: (one, other) =>
        one.id === other.id && one.attempt === other.attempt && one.state === other.state,
    },
  );
  protected readonly attempts = query(this.wanted, ({ id }) => this.api.attempts(id), {
    identity: ({ id }) => id,
  });

  protected readonly plural = plural;

  protected took(attempt: Attempt): string {
    return attempt.finished_at
      ? duration(Date.parse(attempt.finished_at) - Date.parse(attempt.started_at))
      : '–';
  }
}
