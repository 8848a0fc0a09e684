import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

/** One bar of a sparkline. */
export interface Bar {
  value: number;
  /** What hovering says. */
  title: string;
  tone: 'good' | 'warn' | 'bad' | 'calm' | 'live';
}

const HEIGHT = 34;
const STEP = 7;

/** A row of small bars, the oldest at the left. The table below it has the same numbers. */
@Component({
  selector: 'app-sparkline',
  template: `
    <svg
      role="img"
      [attr.aria-label]="label()"
      [attr.viewBox]="box()"
      [attr.width]="width()"
      [attr.height]="height"
    >
      @for (bar of drawn(); track $index) {
        <rect
          [attr.class]="bar.tone"
          [attr.x]="bar.x"
          [attr.y]="bar.y"
          width="5"
          [attr.height]="bar.height"
          rx="1.5"
        >
          <title>{{ bar.title }}</title>
        </rect>
      }
    </svg>
  `,
  styles: `
    :host {
      display: block;
      overflow: hidden;
    }
    svg {
      display: block;
      max-width: 100%;
    }
    .good {
      fill: var(--good);
    }
    .warn {
      fill: var(--warn);
    }
    .bad {
      fill: var(--bad);
    }
    .calm {
      fill: var(--border-strong);
    }
    .live {
      fill: var(--live);
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Sparkline {
  readonly bars = input.required<readonly Bar[]>();
  readonly label = input.required<string>();

  protected readonly height = HEIGHT;
  protected readonly width = computed(() => Math.max(1, this.bars().length * STEP));
  protected readonly box = computed(() => `0 0 ${this.width()} ${HEIGHT}`);
  protected readonly drawn = computed(() => {
    const top = Math.max(1, ...this.bars().map((bar) => bar.value));
    return this.bars().map((bar, index) => {
      const height = Math.max(3, Math.round((bar.value / top) * HEIGHT));
      return { ...bar, x: index * STEP, y: HEIGHT - height, height };
    });
  });
}
