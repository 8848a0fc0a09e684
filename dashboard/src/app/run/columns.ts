import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { count } from '../core/format';
import { Empty } from '../shared/empty';
import { RunReport } from './report';

/** The columns of a run, with their types and why they have them. */
@Component({
  selector: 'app-columns',
  template: `
    <section class="card" aria-label="Columns">
      @if (shown(); as columns) {
        <div class="table-wrap" role="region" aria-label="Columns and their types" tabindex="0">
          <table class="table fold">
            <thead>
              <tr>
                <th scope="col">Column</th>
                <th scope="col">Type</th>
                <th scope="col" class="num">NULLs</th>
                <th scope="col" class="wide">Why</th>
              </tr>
            </thead>
            <tbody>
              @for (column of columns; track column.name) {
                <tr>
                  <th scope="row">{{ column.name }}</th>
                  <td class="nowrap">
                    <code>{{ column.type }}</code>
                  </td>
                  <td class="num" data-label="NULLs">{{ count(column.nulls) }}</td>
                  <td class="wide why">
                    {{ column.because }}
                    @if (column.decided_by; as cell) {
                      <span class="muted small">
                        {{ cell.file }}:{{ cell.line }} <code [textContent]="cell.value"></code>
                      </span>
                    }
                  </td>
                </tr>
              }
            </tbody>
          </table>
        </div>
      } @else {
        <app-empty icon="columns" [title]="over() ? 'No columns' : 'No columns yet'">
          <p>
            @if (over()) {
              The run ended before it had read all rows, which it needs to decide the types, or there were
              none.
            } @else {
              The types depend on all rows. They appear here when the run has ended.
            }
          </p>
        </app-empty>
      }
    </section>
  `,
  styles: `
    .why {
      overflow-wrap: anywhere;
    }
    .why .small {
      display: block;
    }
  `,
  imports: [Empty],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Columns {
  readonly report = input<RunReport>();
  /** Whether the run is over. */
  readonly over = input(false);

  protected readonly shown = computed(() => {
    const columns = this.report()?.columns ?? [];
    return columns.length > 0 ? columns : undefined;
  });
  protected readonly count = count;
}
