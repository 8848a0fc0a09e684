import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { RouterLink } from '@angular/router';
import { forkJoin } from 'rxjs';

import { RunsApi } from '../core/api/runs';
import { count } from '../core/format';
import { query } from '../core/query';
import { Empty } from '../shared/empty';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

const LIMIT = 100;
const SHOWN = 20;

/** The latest runs that rejected rows, each leading to its rows. */
@Component({
  selector: 'app-rejecting-runs',
  template: `
    <app-query-state [query]="found" />
    @if (runs(); as runs) {
      @if (runs.length === 0) {
        <app-empty icon="shield-check" title="No recent run that completed rejected rows">
          <p>Choose a pipeline to see rows that its earlier runs rejected.</p>
        </app-empty>
      } @else {
        <h2>Latest runs that rejected rows</h2>
        <div class="table-wrap" role="region" aria-label="Runs that rejected rows" tabindex="0">
          <table class="table">
            <thead>
              <tr>
                <th scope="col" class="wide">Pipeline</th>
                <th scope="col" class="num">Rejected</th>
                <th scope="col" class="num">Read</th>
                <th scope="col" class="end">Requested</th>
              </tr>
            </thead>
            <tbody>
              @for (run of runs; track run.id) {
                <tr>
                  <td class="wide name">
                    <a routerLink="/quarantine" [queryParams]="{ run: run.id }">{{ run.name }}</a>
                  </td>
                  <td class="num wrong">{{ count(run.rows_quarantined) }}</td>
                  <td class="num">{{ count(run.rows_read) }}</td>
                  <td class="end"><app-time [at]="run.created_at" /></td>
                </tr>
              }
            </tbody>
          </table>
        </div>
      }
    }
  `,
  styles: `
    :host {
      display: contents;
    }
    h2 {
      padding: 16px 16px 10px;
    }
    .name {
      overflow-wrap: anywhere;
    }
    .wrong {
      color: var(--bad);
    }
  `,
  imports: [Empty, QueryState, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RejectingRuns {
  private readonly api = inject(RunsApi);

  protected readonly found = query(
    () => ['with_warnings', 'nothing_loaded'] as const,
    (outcomes) => forkJoin(outcomes.map((outcome) => this.api.list({ outcome }, LIMIT))),
  );
  protected readonly runs = computed(() =>
    this.found
      .value()
      ?.flatMap((page) => page.data)
      .filter((run) => (run.kind === 'run' || run.kind === 'replay') && (run.rows_quarantined ?? 0) > 0)
      // The rows of a run with a table for each file are those of the runs of its tables, which are listed themselves.
      .filter((run) => !run.target_table.includes('{'))
      .sort((one, other) => other.created_at.localeCompare(one.created_at))
      .slice(0, SHOWN),
  );
  protected readonly count = count;
}
