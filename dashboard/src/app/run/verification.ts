import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { RunVerification, VerifiedState } from '../core/api/models';
import { count, plural } from '../core/format';
import { Icon } from '../shared/icon';

const STATES: Record<VerifiedState, string> & Record<string, string | undefined> = {
  same: 'Same content',
  changed: 'Changed since',
  gone: 'Gone',
  not_compared: 'Not compared',
};

/** Whether the table and the sources agree with what an earlier run loaded. */
@Component({
  selector: 'app-verification',
  template: `
    @let found = verification();
    <div class="stack">
      <div
        class="notice"
        [class.good]="found.agrees"
        [class.bad]="!found.agrees"
        [attr.role]="found.agrees ? 'status' : 'alert'"
      >
        <app-icon [name]="found.agrees ? 'success' : 'error'" />
        <div class="what">
          <p>
            <b>{{ found.agrees ? 'The table agrees' : 'The table does not agree' }}</b> with
            <a [routerLink]="['/runs', found.run]">the run that was verified</a>. {{ rows() }}
          </p>
          @for (sentence of found.says; track $index) {
            <p>{{ sentence }}</p>
          }
          @if (found.changed?.length) {
            <details>
              <summary>Rows with other values</summary>
              <p class="small">Their <code>_elt_row_hash</code>, the first of them:</p>
              <ul class="dots">
                @for (hash of found.changed; track hash) {
                  <li>
                    <code>{{ hash }}</code>
                  </li>
                }
              </ul>
            </details>
          }
        </div>
      </div>
      @if (differing().length > 0) {
        <section class="card" aria-label="Files">
          <header><h2>Files that differ</h2></header>
          <div class="table-wrap" role="region" aria-label="Files that differ" tabindex="0">
            <table class="table">
              <thead>
                <tr>
                  <th scope="col" class="wide">File</th>
                  <th scope="col">Content</th>
                  <th scope="col" class="num">Rows missing in the table</th>
                </tr>
              </thead>
              <tbody>
                @for (file of differing(); track file.name) {
                  <tr>
                    <th scope="row" class="wide name">{{ file.name }}</th>
                    <td class="nowrap">{{ stateWord(file.state) }}</td>
                    <td class="num">
                      {{ file.state === 'same' ? count(file.rows_missing) : 'not compared' }}
                    </td>
                  </tr>
                }
              </tbody>
            </table>
          </div>
        </section>
      }
    </div>
  `,
  styles: `
    .what {
      display: grid;
      grid-template-columns: minmax(0, 1fr);
      gap: 6px;
      min-width: 0;
      overflow-wrap: anywhere;
    }
    .name {
      overflow-wrap: anywhere;
    }
  `,
  imports: [Icon, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Verification {
  readonly verification = input.required<RunVerification>();

  /** Files that are not the same, or of which rows are missing. */
  protected readonly differing = computed(() =>
    (this.verification().files ?? []).filter((file) => file.state !== 'same' || file.rows_missing > 0),
  );
  /** How many of the run's rows are there. */
  protected readonly rows = computed(() => {
    const { rows_there, rows_written, rows_changed } = this.verification();
    const there = `${count(rows_there ?? 0)} of its ${plural(rows_written ?? 0, 'row')} are in the table`;
    return rows_changed ? `${there}, ${count(rows_changed)} of them with other values.` : `${there}.`;
  });
  protected readonly count = count;

  /** The state of a file in words. A tab that is older than the server may meet one that it does not know. */
  protected stateWord(state: string): string {
    return STATES[state] ?? state;
  }
}
