import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { RecentRun } from '../core/api/models';
import { marksOf, outcomeWords } from './recent-runs';

const STEP = 7;
const HEIGHT = 16;

/** How the newest runs of a pipeline ended, the oldest at the left: a shape for each run, and the same in words. */
@Component({
  selector: 'app-run-strip',
  template: `
    <svg
      aria-hidden="true"
      [attr.viewBox]="'0 0 ' + width() + ' ' + height"
      [attr.width]="width()"
      [attr.height]="height"
    >
      @for (mark of marks(); track $index) {
        <g [attr.class]="mark.tone" [attr.transform]="'translate(' + mark.x + ' 0)'">
          @switch (mark.shape) {
            @case ('full') {
              <rect y="0" width="5" height="16" rx="1.5" />
            }
            @case ('split') {
              <rect y="0" width="5" height="9" rx="1.5" />
              <rect y="12" width="5" height="4" rx="1.5" />
            }
            @case ('hollow') {
              <rect class="line" x="0.75" y="0.75" width="3.5" height="14.5" rx="1" />
            }
            @case ('cross') {
              <path class="line" d="M0.75 4 L4.25 12 M4.25 4 L0.75 12" />
            }
            @case ('low') {
              <rect y="11" width="5" height="5" rx="1.5" />
            }
            @case ('dot') {
              <circle cx="2.5" cy="8" r="2" />
            }
          }
        </g>
      }
    </svg>
    <span class="small muted">{{ words() }}</span>
  `,
  styles: `
    :host {
      display: block;
      min-width: 16ch;
    }
    svg {
      display: block;
      max-width: 100%;
    }
    .good {
      --mark: var(--good);
    }
    .warn {
      --mark: var(--warn);
    }
    .bad {
      --mark: var(--bad);
    }
    .calm {
      --mark: var(--border-strong);
    }
    .live {
      --mark: var(--live);
    }
    rect,
    circle {
      fill: var(--mark);
    }
    .line {
      fill: none;
      stroke: var(--mark);
      stroke-width: 1.5;
      stroke-linecap: round;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunStrip {
  readonly runs = input.required<readonly RecentRun[]>();

  protected readonly height = HEIGHT;
  protected readonly width = computed(() => Math.max(1, this.runs().length * STEP));
  protected readonly marks = computed(() =>
    marksOf(this.runs()).map((mark, index) => ({ ...mark, x: index * STEP })),
  );
  protected readonly words = computed(() => outcomeWords(this.runs()));
}
