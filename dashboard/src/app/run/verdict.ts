import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Run } from '../core/api/models';
import { count, plural } from '../core/format';
import { shownState } from '../runs/run-words';
import { Icon } from '../shared/icon';
import { RunReport, leftOutWords, reasonWords } from './report';

/** Most files and reasons that are shown at once. The others are folded away. */
const SHOWN = 5;

/** What a successful run did not load, and why. Shows nothing for a run that loaded everything. */
@Component({
  selector: 'app-verdict',
  template: `
    @if (lost()) {
      <div class="notice" [class.bad]="nothing()" [class.warn]="!nothing()" role="alert">
        <app-icon [name]="nothing() ? 'ban' : 'alert'" />
        <div class="what">
          <p>
            <b>{{ sentence() }}</b>
          </p>
          @if (report().rows_quarantined > 0) {
            <p>
              {{ rejected() }}
              @if (!dry() && report().tables.length === 0) {
                <a routerLink="/quarantine" [queryParams]="{ run: run().id }">Show the rejected rows</a>
              }
            </p>
          }
          @if (report().left_out.length > 0) {
            <p>{{ plural(report().left_out_total, 'file was', 'files were') }} skipped:</p>
            <ul class="dots">
              @for (file of files(); track $index) {
                <li>
                  {{ leftOutWords(file) }}
                </li>
              }
            </ul>
            @if (hiddenFiles().length > 0) {
              <details>
                <summary>{{ plural(report().left_out_total - files().length, 'more file') }}</summary>
                <ul class="dots">
                  @for (file of hiddenFiles(); track $index) {
                    <li>
                      {{ leftOutWords(file) }}
                    </li>
                  }
                </ul>
              </details>
            }
          }
          @if (report().warnings.length === 1) {
            <p>{{ report().warnings[0] }}</p>
          } @else if (report().warnings.length > 1) {
            <ul class="dots">
              @for (warning of report().warnings; track $index) {
                <li>{{ warning }}</li>
              }
            </ul>
          }
        </div>
      </div>
    }
  `,
  styles: `
    :host {
      display: contents;
    }
    .what {
      display: grid;
      grid-template-columns: minmax(0, 1fr);
      gap: 6px;
      min-width: 0;
      overflow-wrap: anywhere;
    }
    ul {
      margin: 0;
    }
  `,
  imports: [Icon, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Verdict {
  readonly run = input.required<Run>();
  readonly report = input.required<RunReport>();

  protected readonly nothing = computed(() => shownState(this.run()).startsWith('nothing_'));
  /** Whether the run is a plan or a check, which load nothing. */
  protected readonly dry = computed(() => this.run().kind === 'plan' || this.run().kind === 'check');
  protected readonly lost = computed(() => {
    const report = this.report();
    return (
      this.run().state === 'succeeded' &&
      this.run().kind !== 'test_connection' &&
      (this.nothing() ||
        report.rows_quarantined > 0 ||
        report.left_out.length > 0 ||
        report.warnings.length > 0)
    );
  });
  protected readonly sentence = computed(() => {
    if (this.dry())
      return this.nothing()
        ? 'A run would leave out or reject all of the data.'
        : 'A run would load with warnings:';
    return this.nothing() ? 'None of the data could be loaded.' : 'The run succeeded with warnings:';
  });
  protected readonly rejected = computed(() => {
    const { rows_quarantined, rows_read, rejected } = this.report();
    const reasons = rejected ? `: ${reasonWords(rejected).slice(0, SHOWN).join('; ')}` : '';
    const were = this.dry() ? 'would be rejected' : 'were rejected';
    return `${count(rows_quarantined)} of ${plural(rows_read, 'row')} ${were}${reasons}.`;
  });
  protected readonly files = computed(() => this.report().left_out.slice(0, SHOWN));
  protected readonly hiddenFiles = computed(() => this.report().left_out.slice(SHOWN));

  protected readonly leftOutWords = leftOutWords;
  protected readonly plural = plural;
}
