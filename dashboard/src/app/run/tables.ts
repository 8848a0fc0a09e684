import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Run, TableReport } from '../core/api/models';
import { count } from '../core/format';
import { Session } from '../core/session';
import { StateBadge } from '../shared/state-badge';
import { RunReport, leftOutWords } from './report';

/** The tables of a run with a table for each file: what became of each, with the run that loaded it. */
@Component({
  selector: 'app-tables',
  template: `
    <section class="card" aria-label="Tables">
      <div class="table-wrap" role="region" aria-label="What became of each table" tabindex="0">
        <table class="table fold">
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col">Result</th>
              <th scope="col" class="num">Files</th>
              <th scope="col" class="num">Read</th>
              <th scope="col" class="num">New</th>
              <th scope="col" class="num">Updated</th>
              <th scope="col" class="num">Quarantined</th>
              <th scope="col">More</th>
            </tr>
          </thead>
          <tbody>
            @for (table of report().tables; track table.table) {
              <tr>
                <th scope="row">{{ table.table }}</th>
                <td class="why">
                  <app-state [state]="stateOf(table)" />
                  @if (table.error) {
                    <p class="small">{{ table.error }}</p>
                  }
                </td>
                <td class="num" data-label="Files">{{ count(table.files_total ?? 0) }}</td>
                <td class="num" data-label="Read">{{ count(table.rows_read ?? 0) }}</td>
                <td class="num" data-label="New">{{ count(table.rows_inserted ?? 0) }}</td>
                <td class="num" data-label="Updated">{{ count(table.rows_updated ?? 0) }}</td>
                <td class="num" data-label="Quarantined">{{ count(table.rows_quarantined ?? 0) }}</td>
                <td class="nowrap">
                  @if (table.run_id) {
                    <a [routerLink]="['/runs', table.run_id]">Run</a>
                    @if (isAdmin && !table.error) {
                      ·
                      <a
                        routerLink="/data-view"
                        [queryParams]="{ config: run().config_id, table: table.table }"
                        >Rows</a
                      >
                    }
                  }
                </td>
              </tr>
            }
          </tbody>
        </table>
      </div>
      @if (failedToo()) {
        <ul class="dots">
          @for (file of report().left_out; track $index) {
            <li>{{ leftOutWords(file) }}</li>
          }
        </ul>
      }
    </section>
  `,
  styles: `
    .why {
      overflow-wrap: anywhere;
    }
  `,
  imports: [RouterLink, StateBadge],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Tables {
  protected readonly isAdmin = inject(Session).role() === 'admin';

  readonly report = input.required<RunReport>();
  readonly run = input.required<Run>();

  /** Whether the files that were left out are listed here, because the run failed and nothing else lists them. */
  protected readonly failedToo = computed(
    () => this.run().state !== 'succeeded' && this.report().left_out.length > 0,
  );
  protected readonly count = count;
  protected readonly leftOutWords = leftOutWords;

  protected stateOf(table: TableReport): string {
    if (table.error) return table.state ?? 'failed';
    return table.outcome ?? table.state ?? 'succeeded';
  }
}
