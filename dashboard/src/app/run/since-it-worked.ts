import { ChangeDetectionStrategy, Component, inject, input, signal } from '@angular/core';
import { Router } from '@angular/router';

import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { toProblem } from '../core/problem';
import { Toaster } from '../core/toaster';
import { Icon } from '../shared/icon';

/** Earlier runs that are looked through for one that loaded. */
const LOOKED = 50;

/** A button that compares a failed run with the last one before it that loaded. */
@Component({
  selector: 'app-since-it-worked',
  template: `
    <button type="button" class="btn" [disabled]="busy()" (click)="compare()">
      <app-icon name="git-compare" /> {{ busy() ? 'Looking…' : 'What changed since it last worked' }}
    </button>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SinceItWorked {
  private readonly api = inject(RunsApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);

  readonly run = input.required<Run>();

  protected readonly busy = signal(false);

  protected compare(): void {
    const { id, name, created_at } = this.run();
    this.busy.set(true);
    this.api.list({ name, state: 'succeeded', kind: 'run', until: created_at }, LOOKED).subscribe({
      next: ({ data }) => {
        this.busy.set(false);
        const worked = data.find((run) => !run.part_of && run.outcome !== 'nothing_loaded');
        if (worked) void this.router.navigate(['/runs/compare'], { queryParams: { a: worked.id, b: id } });
        else this.toaster.say('No earlier run of this pipeline loaded anything.');
      },
      error: (error: unknown) => {
        this.busy.set(false);
        this.toaster.say(toProblem(error).sentence);
      },
    });
  }
}
