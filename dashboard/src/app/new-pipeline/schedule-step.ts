import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { cronWords } from '../schedules/cron-words';
import { ConfigForm } from './config-form';
import { ONCE, ON_CHANGE, TIMES, choiceOf, choose, setMonitor, timingOf } from './timing';

/** When the pipeline runs by itself. */
@Component({
  selector: 'app-schedule-step',
  template: `
    <div class="fields">
      <div class="field">
        <label for="times">When it runs</label>
        <select #times id="times" class="select full" (change)="choose(times.value)">
          @for (one of choices(); track one[0]) {
            <option [value]="one[0]" [selected]="one[0] === choice()">{{ one[1] }}</option>
          }
        </select>
      </div>
      @if (timing().cron) {
        <div class="field">
          <label for="cron">Cron expression</label>
          <input
            #cron
            id="cron"
            class="input mono"
            spellcheck="false"
            aria-describedby="cron-words"
            [value]="timing().cron"
            (change)="choose(cron.value.trim() || withoutTimes())"
          />
          <span id="cron-words" class="hint">{{ words() }}</span>
        </div>
        <div class="field">
          <label for="zone">Time zone</label>
          <input
            #zone
            id="zone"
            class="input"
            list="zones"
            placeholder="the server's"
            [value]="timing().timezone"
            (change)="form.set(['schedule', 'timezone'], zone.value.trim())"
          />
          <datalist id="zones">
            @for (one of zones; track one) {
              <option [value]="one"></option>
            }
          </datalist>
        </div>
        <label class="check">
          <input #monitor type="checkbox" [checked]="timing().monitor" (change)="watch(monitor.checked)" />
          Also whenever its source changes
        </label>
      }
    </div>
  `,
  styles: `
    .fields {
      display: grid;
      grid-template-columns: minmax(0, 1fr);
      align-items: start;
      gap: 12px;
    }

    @media (min-width: 721px) {
      .fields {
        grid-template-columns: repeat(2, minmax(0, 1fr));
      }
    }

    .check {
      align-self: center;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ScheduleStep {
  protected readonly form = inject(ConfigForm);
  protected readonly zones = Intl.supportedValuesOf('timeZone');
  protected readonly timing = computed(() => timingOf(this.form.tree()));
  protected readonly choice = computed(() => choiceOf(this.timing()));
  protected readonly words = computed(() => cronWords(this.timing().cron));
  protected readonly choices = computed(() => {
    const choice = this.choice();
    return TIMES.some(([known]) => known === choice)
      ? TIMES
      : [...TIMES, [choice, 'As the cron expression says'] as const];
  });

  protected choose(choice: string): void {
    this.form.change((text) => choose(text, choice));
  }

  /** What is chosen when the cron expression is emptied. */
  protected withoutTimes(): string {
    return this.timing().monitor ? ON_CHANGE : ONCE;
  }

  protected watch(monitor: boolean): void {
    this.form.change((text) => setMonitor(text, monitor));
  }
}
