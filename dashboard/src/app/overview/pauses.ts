import { ChangeDetectionStrategy, Component, computed, inject, input, output } from '@angular/core';
import { RouterLink } from '@angular/router';

import { PauseView } from '../core/api/models';
import { PipelinesApi } from '../core/api/pipelines';
import { Toaster } from '../core/toaster';
import { pausedPipelines, pausedWhat, resumeQuestion, sortPauses } from '../pipelines/pause-words';
import { Confirmation } from '../shared/confirm';
import { Icon } from '../shared/icon';
import { Time } from '../shared/time';

/** Messages about what is paused: everything, queues and pipelines. Shows nothing when nothing is. */
@Component({
  selector: 'app-pauses',
  template: `
    @for (pause of sorted().wide; track pause.scope + pause.name) {
      <div class="notice warn" role="status">
        <app-icon name="pause" />
        <div>
          <p>
            <b>{{ pausedWhat(pause) }}</b>
            by {{ pause.paused_by }} since <app-time as="clock" [at]="pause.paused_at" />. Runs wait in the
            queue until someone resumes it; what is at work goes on.
          </p>
          @if (pause.reason) {
            <p>Reason: {{ pause.reason }}</p>
          }
        </div>
        <button type="button" class="btn s" (click)="resume(pause)">
          <app-icon name="play" /> {{ pause.scope === 'all' ? 'Resume everything' : 'Resume ' + pause.name }}
        </button>
      </div>
    }
    @if (sorted().pipelines.length > 0) {
      <p class="notice warn" role="status">
        <app-icon name="pause" />
        <span
          >{{ pausedPipelines(sorted().pipelines) }} <a routerLink="/pipelines">Show the pipelines</a></span
        >
      </p>
    }
  `,
  styles: `
    :host {
      display: contents;
    }
    .btn {
      align-self: flex-start;
    }
  `,
  imports: [Icon, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Pauses {
  private readonly api = inject(PipelinesApi);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);

  readonly pauses = input.required<readonly PauseView[]>();
  /** Emits once a pause was ended here. */
  readonly resumed = output();

  protected readonly sorted = computed(() => sortPauses(this.pauses()));
  protected readonly pausedWhat = pausedWhat;
  protected readonly pausedPipelines = pausedPipelines;

  protected resume(pause: PauseView): void {
    this.confirmation
      .ask({ ...resumeQuestion(pause), request: () => this.api.resume(pause) })
      .subscribe((resumed) => {
        if (!resumed) return;
        this.toaster.say(
          pause.scope === 'all' ? 'Queued runs start again' : `The queue ${pause.name} is no longer paused`,
        );
        this.resumed.emit();
      });
  }
}
