import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';
import { finalize } from 'rxjs';

import { CreateSchedule, Schedule, UploadAnswer } from '../core/api/models';
import { SchedulesApi } from '../core/api/schedules';
import { Problem, toProblem } from '../core/problem';
import { ProblemView } from '../shared/problem-view';
import { cronWords } from '../schedules/cron-words';

const PRESETS: [string, string][] = [
  ['', 'Only when the sources change'],
  ['*/15 * * * *', 'Every 15 minutes'],
  ['0 * * * *', 'Every hour'],
  ['0 2 * * *', 'Every night at 02:00'],
  ['0 6 * * 1-5', 'Weekdays at 06:00'],
  ['0 4 1 * *', 'First day of the month at 04:00'],
];

/** When a config runs by itself: a window, a cron expression, watching its sources. */
@Component({
  selector: 'app-schedule-dialog',
  templateUrl: './schedule-dialog.html',
  styleUrl: './schedule-dialog.scss',
  imports: [FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ScheduleDialog {
  private readonly api = inject(SchedulesApi);
  private readonly dialog = inject(MatDialogRef<ScheduleDialog, Schedule>);
  protected readonly config = inject<UploadAnswer>(MAT_DIALOG_DATA);

  protected readonly presets = PRESETS;
  protected readonly zones = Intl.supportedValuesOf('timeZone');
  protected readonly cron = signal('');
  protected readonly timezone = signal(Intl.DateTimeFormat().resolvedOptions().timeZone);
  protected readonly start = signal('');
  protected readonly end = signal('');
  protected readonly monitor = signal(true);
  protected readonly overlap = signal<'skip' | 'queue'>('skip');
  protected readonly catchUp = signal<'latest' | 'all' | 'none'>('latest');
  protected readonly busy = signal(false);
  protected readonly problem = signal<Problem | undefined>(undefined);
  protected readonly words = computed(() => cronWords(this.cron()));
  protected readonly backwards = computed(
    () => this.start() !== '' && this.end() !== '' && this.end() <= this.start(),
  );

  protected save(): void {
    if (this.busy() || this.backwards()) return;
    const cron = this.cron().trim();
    const request: CreateSchedule = {
      config_id: this.config.id,
      start_at: toInstant(this.start()),
      end_at: toInstant(this.end()),
      monitor: this.monitor(),
      ...(cron === ''
        ? {}
        : { cron, timezone: this.timezone(), overlap: this.overlap(), catch_up: this.catchUp() }),
    };
    this.busy.set(true);
    this.problem.set(undefined);
    this.api
      .create(request)
      .pipe(finalize(() => this.busy.set(false)))
      .subscribe({
        next: (schedule) => this.dialog.close(schedule),
        error: (error: unknown) => this.problem.set(toProblem(error)),
      });
  }
}

/** What was picked, in the reader's own zone, as an instant. */
function toInstant(picked: string): string | undefined {
  return picked === '' ? undefined : new Date(picked).toISOString();
}
