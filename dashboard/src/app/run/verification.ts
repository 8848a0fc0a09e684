import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { RunVerification, VerifiedState } from '../core/api/models';
import { count } from '../core/format';
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
      <div class="notice" [class.good]="found.agrees" [class.bad]="!found.agrees" role="status">
        <app-icon [name]="found.agrees ? 'success' : 'error'" />
        <div class="what">
          <p>
            <b>{{ found.agrees ? 'The table agrees' : 'The table does not agree' }}</b> with
            <a [routerLink]="['/runs', found.run]">the run that was verified</a>:
            {{ count(found.rows_there ?? 0) }} of its {{ count(found.rows_written ?? 0) }} rows are there,
            {{ count(found.rows_changed ?? 0) }} of them with other values.
          </p>
          @for (sentence of found.says; track $index) {
            <p>{{ sentence }}</p>
          }
          @if (found.changed?.length) {
            <p>
              Rows with other values, by their <code>_elt_row_hash</code>:
              @for (hash of found.changed; track hash) {
                <code>{{ hash }}</code>{{ $last ? '' : ', ' }}
              }
            </p>
          }
        </div>
      </div>
      @if (differing().length > 0) {
        <section class="card" aria-label="Files">
          <div class="scroll">
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">File</th>
                  <th scope="col">Content</th>
                  <th scope="col" class="num">Rows missing in the table</th>
                </tr>
              </thead>
              <tbody>
                @for (file of differing(); track file.name) {
                  <tr>
                    <td class="name">{{ file.name }}</td>
                    <td>{{ stateWord(file.state) }}</td>
                    <td class="num">{{ count(file.rows_missing) }}</td>
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
  protected readonly count = count;

  /** The state of a file in words. A tab that is older than the server may meet one that it does not know. */
  protected stateWord(state: string): string {
    return STATES[state] ?? state;
  }
}
