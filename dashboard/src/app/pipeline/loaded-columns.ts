import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { RunsApi } from '../core/api/runs';
import { query } from '../core/query';
import { Columns } from '../run/columns';
import { driftWords, readReport } from '../run/report';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

/** The columns of the last run that loaded, and how they differed from the table before it. */
@Component({
  selector: 'app-loaded-columns',
  template: `
    @if (run()) {
      <app-query-state [query]="loaded" />
      @if (loaded.value(); as now) {
        <div class="stack">
          <p class="muted">
            As the run of
            <a [routerLink]="['/runs', now.id]"><app-time as="clock" [at]="now.created_at" /></a>
            loaded them.
          </p>
          @for (drift of report()?.drift ?? []; track $index) {
            <p class="notice warn">
              <app-icon name="columns" /><span>{{ driftWords(drift) }}</span>
            </p>
          }
          <app-columns [report]="report()" [over]="true" />
        </div>
      }
    } @else {
      <section class="card" aria-label="Columns">
        <app-empty icon="columns" title="No columns yet">
          <p>The types depend on all rows. They appear here once a run has loaded.</p>
        </app-empty>
      </section>
    }
  `,
  imports: [Columns, Empty, Icon, QueryState, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class LoadedColumns {
  private readonly api = inject(RunsApi);

  /** Id of the run. `undefined`: none has loaded yet. */
  readonly run = input<string>();

  protected readonly loaded = query(this.run, (id) => this.api.find(id));
  protected readonly report = computed(() => readReport(this.loaded.value()?.report));
  protected readonly driftWords = driftWords;
}
