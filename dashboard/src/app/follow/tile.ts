import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { LogLine, Run } from '../core/api/models';
import { Clock } from '../core/clock';
import { duration } from '../core/format';
import { LogRow } from '../logs/log-row';
import { RunProgressBar } from '../run/run-progress';
import { isOver, kindWord, shownState, silentSince, tookMs, whyWaiting } from '../runs/run-words';
import { Icon } from '../shared/icon';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { endWords } from './end-words';

/** One of several runs that are followed: its state, how far it is, its newest log lines, and how it ended. */
@Component({
  selector: 'app-tile',
  templateUrl: './tile.html',
  styleUrl: './tile.scss',
  imports: [Icon, LogRow, RouterLink, RunProgressBar, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Tile {
  private readonly clock = inject(Clock);

  readonly id = input.required<string>();
  /** `undefined`: it is not there. */
  readonly run = input.required<Run | undefined>();
  /** The newest last. */
  readonly lines = input.required<readonly LogLine[]>();

  /** Its name to a screen reader, which tells two runs of a pipeline apart. */
  protected readonly label = computed(() => {
    const run = `run ${this.id().slice(-6)}`;
    const name = this.run()?.name;
    return name === undefined ? `${run}, not found` : `${name}, ${run}`;
  });
  protected readonly took = computed(() => {
    const run = this.run();
    return run === undefined ? undefined : tookMs(run, this.clock.second());
  });
  protected readonly waiting = computed(() => {
    const run = this.run();
    return run === undefined ? undefined : whyWaiting(run, undefined, this.clock.now());
  });

  protected readonly isOver = isOver;
  protected readonly kindWord = kindWord;
  protected readonly shownState = shownState;
  protected readonly silentSince = silentSince;
  protected readonly endWords = endWords;
  protected readonly duration = duration;
}
