import { ChangeDetectionStrategy, Component, computed, inject, linkedSignal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { ConfigsApi } from '../core/api/configs';
import { Schedule, UploadAnswer } from '../core/api/models';
import { SchedulesApi } from '../core/api/schedules';
import { Clock } from '../core/clock';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { cronWords } from '../schedules/cron-words';
import { DialogEnd } from '../shared/dialog-end';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { Fields, fieldsOf, fires, requestOf } from './schedule-request';

const PRESETS: [string, string][] = [
  ['', 'At no fixed times'],
  ['*/15 * * * *', 'Every 15 minutes'],
  ['0 * * * *', 'Every hour'],
  ['0 2 * * *', 'Every night at 02:00'],
  ['0 6 * * 1-5', 'Weekdays at 06:00'],
  ['0 4 1 * *', 'First day of the month at 04:00'],
];
const NAMES: Record<keyof Fields, string> = {
  start: 'start',
  end: 'end',
  cron: 'cron expression',
  timezone: 'time zone',
  overlap: 'overlap',
  catchUp: 'missed runs',
  monitor: 'changed sources',
};

/** Creates a schedule for a config version. The fields start with the values of its YAML. */
@Component({
  selector: 'app-schedule-dialog',
  templateUrl: './schedule-dialog.html',
  styleUrl: './schedule-dialog.scss',
  imports: [DialogEnd, FormsModule, MatDialogModule, ProblemView, QueryState],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ScheduleDialog {
  private readonly api = inject(SchedulesApi);
  private readonly configs = inject(ConfigsApi);
  private readonly clock = inject(Clock);
  private readonly dialog = inject(MatDialogRef<ScheduleDialog, Schedule>);
  protected readonly config = inject<UploadAnswer>(MAT_DIALOG_DATA);

  protected readonly about = query(
    () => this.config.id,
    (id) => this.configs.find(id),
  );
  /** The values of the YAML. `undefined` until they are loaded. */
  protected readonly yaml = computed<Fields | undefined>(() => {
    const timing = this.about.value()?.timing;
    return timing ? fieldsOf(timing) : undefined;
  });
  protected readonly fields = linkedSignal<Fields | undefined>(() => this.yaml());

  protected readonly zones = Intl.supportedValuesOf('timeZone');
  protected readonly here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  protected readonly presets = computed(() => {
    const cron = this.fields()?.cron ?? '';
    return PRESETS.some(([preset]) => preset === cron)
      ? PRESETS
      : [...PRESETS, [cron, 'As the cron expression says'] as [string, string]];
  });
  protected readonly words = computed(() => cronWords(this.fields()?.cron ?? ''));
  protected readonly backwards = computed(() => {
    const fields = this.fields();
    return fields !== undefined && fields.start !== '' && fields.end !== '' && fields.end <= fields.start;
  });
  protected readonly idle = computed(() => {
    const fields = this.fields();
    return fields !== undefined && !fires(fields, this.clock.now());
  });
  protected readonly ready = computed(() => this.fields() !== undefined && !this.backwards() && !this.idle());
  /** Names of the fields that differ from the YAML. */
  protected readonly changed = computed(() => {
    const [yaml, fields] = [this.yaml(), this.fields()];
    if (yaml === undefined || fields === undefined) return [];
    return (Object.keys(NAMES) as (keyof Fields)[])
      .filter((key) => yaml[key] !== fields[key])
      .map((key) => NAMES[key]);
  });
  protected readonly submission = new Submission();

  protected set<K extends keyof Fields>(key: K, value: Fields[K]): void {
    this.fields.update((fields) => fields && { ...fields, [key]: value });
  }

  protected reset(): void {
    this.fields.set(this.yaml());
  }

  protected save(): void {
    const [yaml, fields] = [this.yaml(), this.fields()];
    if (yaml === undefined || fields === undefined || !this.ready()) return;
    this.submission.send(this.api.create(requestOf(this.config.id, yaml, fields)), (schedule) =>
      this.dialog.close(schedule),
    );
  }
}
