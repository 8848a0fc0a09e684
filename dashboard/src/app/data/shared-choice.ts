import { ChangeDetectionStrategy, Component, computed, inject, input, output } from '@angular/core';

import { SharesApi } from '../core/api/shares';
import { paged } from '../core/paged';
import { FreshnessBadge } from '../shares/freshness';
import { More } from '../shared/more';
import { QueryState } from '../shared/query-state';

const LIMIT = 250;

/** A table that is chosen: its pipeline, and which one where there is a table for each file. */
export interface SharedChosen {
  pipeline: string;
  table?: string;
}

/** Chooses one of the tables that are shared with the user, and says how new its rows are. */
@Component({
  selector: 'app-shared-choice',
  template: `
    <div class="field">
      <label for="shared">Shared with you</label>
      <select #pipelines id="shared" class="select" (change)="chosen.emit({ pipeline: pipelines.value })">
        <option value="" [selected]="!pipeline()">Choose a table…</option>
        @for (one of list.items(); track one.pipeline) {
          <option [value]="one.pipeline" [selected]="one.pipeline === pipeline()">{{ one.pipeline }}</option>
        }
      </select>
      @if (known(); as known) {
        <app-freshness [of]="known" />
      }
      @if (list.items()?.length === 0) {
        <span class="hint"
          >No table is shared with you. An admin can share one, or you choose a YAML file.</span
        >
      }
    </div>
    @if (known()?.has_tables) {
      <div class="field">
        <label for="shared-table">Table</label>
        <select
          #names
          id="shared-table"
          class="select"
          (change)="chosen.emit({ pipeline: pipeline() ?? '', table: names.value })"
        >
          <option value="" [selected]="!table()">Choose a table…</option>
          @for (one of tables.items(); track one.table) {
            <option [value]="one.table" [selected]="one.table === table()">{{ one.table }}</option>
          }
        </select>
        @if (tables.hasMore()) {
          <app-more [list]="tables" does="List more" />
        }
      </div>
    }
    @if (list.hasMore()) {
      <app-more [list]="list" does="List more" />
    }
    <app-query-state [query]="list.first" [rows]="1" />
  `,
  styles: `
    :host {
      display: grid;
      gap: 10px;
      min-width: 0;
    }
    .select {
      width: 100%;
      max-width: 100%;
    }
  `,
  imports: [FreshnessBadge, More, QueryState],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SharedChoice {
  private readonly api = inject(SharesApi);

  /** The chosen pipeline. */
  readonly pipeline = input<string>();
  /** Which of its tables. */
  readonly table = input<string>();
  readonly chosen = output<SharedChosen>();

  protected readonly list = paged(
    () => ({}),
    (_, cursor) => this.api.shared(LIMIT, cursor),
    (shared) => shared.pipeline,
  );
  protected readonly known = computed(() =>
    this.list.items()?.find((shared) => shared.pipeline === this.pipeline()),
  );
  protected readonly tables = paged(
    () => (this.known()?.has_tables ? this.known()?.pipeline : undefined),
    (pipeline, cursor) => this.api.tables(pipeline, LIMIT, cursor),
    (one) => one.table,
  );
}
