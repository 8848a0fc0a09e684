import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
  signal,
  viewChild,
} from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { BackfillsApi } from '../core/api/backfills';
import { BackfillPlan, BackfillView, StartBackfill } from '../core/api/models';
import { Focus } from '../core/focus';
import { plural } from '../core/format';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { windowWords } from './backfill-words';

/** The pipeline whose newest config version is loaded. */
export interface BackfillOf {
  name: string;
  config_id: number;
}

/** Starts a backfill of a pipeline: counts the windows first, then starts them. Closes with the backfill. */
@Component({
  selector: 'app-backfill-dialog',
  templateUrl: './backfill-dialog.html',
  imports: [DialogEnd, FormsModule, Icon, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class BackfillDialog {
  private readonly api = inject(BackfillsApi);
  private readonly focus = inject(Focus);
  private readonly dialog = inject(MatDialogRef<BackfillDialog, BackfillView>);
  private readonly end = viewChild.required(DialogEnd);
  private readonly counted = viewChild<ElementRef<HTMLElement>>('counted');
  protected readonly pipeline = inject<BackfillOf>(MAT_DIALOG_DATA);

  protected readonly fields = signal({ from: '', to: '', window: '1mo', parallel: 1 });
  /** The windows of the fields as they are now; `undefined` until they were counted. */
  protected readonly plan = signal<BackfillPlan | undefined>(undefined);
  protected readonly submission = new Submission();
  protected readonly ready = computed(() => {
    const { from, to, window, parallel } = this.fields();
    return from !== '' && to !== '' && window.trim() !== '' && parallel >= 1 && parallel <= 50;
  });
  /** `12 windows: 2024-01-01 to 2024-02-01, …, 2024-12-01 to 2025-01-01`. */
  protected readonly words = computed(() => {
    const plan = this.plan();
    const first = plan?.windows.at(0);
    if (plan === undefined || first === undefined) return '';
    const last = plan.total === plan.windows.length && plan.total > 1 ? plan.windows.at(-1) : undefined;
    const shown = [windowWords(first), plan.total > 1 ? '…' : '', last ? windowWords(last) : ''];
    return `${plural(plan.total, 'window')}: ${shown.filter(Boolean).join(', ')}`;
  });

  protected readonly does = computed(() => {
    const plan = this.plan();
    return plan === undefined ? 'Show the windows' : `Start ${plural(plan.total, 'window')}`;
  });

  protected set(change: Partial<ReturnType<typeof this.fields>>): void {
    this.fields.update((fields) => ({ ...fields, ...change }));
    // What was counted belongs to other fields.
    this.plan.set(undefined);
  }

  /** Counts the windows, or starts those that were counted. */
  protected proceed(): void {
    if (!this.ready()) return;
    const { from, to, window, parallel } = this.fields();
    const request: StartBackfill = {
      config_id: this.pipeline.config_id,
      from,
      to,
      window: window.trim(),
      parallel,
    };
    if (this.plan() === undefined) {
      this.submission.send(this.api.plan(request), (plan) => {
        this.plan.set(plan);
        this.end().focusSend();
        this.focus.reveal(this.counted);
      });
    } else {
      this.submission.send(this.api.start(request), (backfill) => this.dialog.close(backfill));
    }
  }
}
