import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { ColumnProfile, Run } from '../core/api/models';
import { ProfilesApi } from '../core/api/profiles';
import { count } from '../core/format';
import { query } from '../core/query';
import { Empty } from '../shared/empty';
import { QueryState } from '../shared/query-state';
import { Bars } from './bars';
import { ProfileDialog, ProfileSubject } from './profile-dialog';
import { different, ends, missing } from './profile-words';

/** What the values of every column of a run look like. */
@Component({
  selector: 'app-run-profile',
  template: `
    <section class="card" aria-label="Profile">
      <app-query-state [query]="view" [rows]="6" />
      @if (profile(); as profile) {
        <p class="small muted about">
          Of {{ count(profile.rows) }} rows that were delivered and did not break the contract.
          @if (profile.shortened) {
            Values were left out, because there are too many columns.
          }
        </p>
        <div class="table-wrap" role="region" aria-label="Profiles of the columns" tabindex="0">
          <table class="table fold">
            <thead>
              <tr>
                <th scope="col">Column</th>
                <th scope="col">Type</th>
                <th scope="col" class="num">Missing</th>
                <th scope="col" class="num">Different</th>
                <th scope="col" class="wide">Smallest – largest</th>
                <th scope="col">Distribution</th>
              </tr>
            </thead>
            <tbody>
              @for (column of profile.columns; track column.name) {
                <tr>
                  <th scope="row">
                    <button type="button" class="link" (click)="open(column)">{{ column.name }}</button>
                  </th>
                  <td class="nowrap">
                    <code>{{ column.sql_type }}</code>
                  </td>
                  <td class="num nowrap" data-label="Missing">{{ missing(column, profile.rows ?? 0) }}</td>
                  <td class="num nowrap" data-label="Different">{{ different(column) }}</td>
                  <td class="wide ends">{{ ends(column) }}</td>
                  <td class="bars">
                    @if (column.histogram; as histogram) {
                      <app-bars [counts]="histogram.counts ?? []" />
                    }
                  </td>
                </tr>
              }
            </tbody>
          </table>
        </div>
      } @else if (view.value()) {
        <app-empty icon="columns" title="No profile">
          <p>
            The run delivered no rows that could be loaded, or its config says
            <code>load.profile: none</code>, or the profile was deleted with its report.
          </p>
        </app-empty>
      }
    </section>
  `,
  styles: `
    .about {
      margin: 0;
      padding: 12px 16px 4px;
    }
    .ends {
      overflow-wrap: anywhere;
    }
    .bars {
      min-width: 120px;
    }
  `,
  imports: [Bars, Empty, QueryState],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunProfile {
  private readonly api = inject(ProfilesApi);
  private readonly dialog = inject(MatDialog);

  readonly run = input.required<Pick<Run, 'id' | 'name' | 'target_table'>>();

  protected readonly view = query(
    () => this.run().id,
    (id) => this.api.ofRun(id),
  );
  protected readonly profile = computed(() => this.view.value()?.profile ?? undefined);

  protected readonly count = count;
  protected readonly different = different;
  protected readonly ends = ends;
  protected readonly missing = missing;

  protected open(column: ColumnProfile): void {
    const { name: pipeline, target_table: table } = this.run();
    const rows = this.profile()?.rows ?? 0;
    const data: ProfileSubject = { pipeline, table, column, rows, hasHistory: true };
    this.dialog.open(ProfileDialog, { data, width: '720px' });
  }
}
