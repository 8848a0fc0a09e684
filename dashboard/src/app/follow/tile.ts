import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  afterRenderEffect,
  computed,
  inject,
  input,
  viewChild,
} from '@angular/core';
import { RouterLink } from '@angular/router';

import { LogLine, Run } from '../core/api/models';
import { Clock } from '../core/clock';
import { duration } from '../core/format';
import { LogRow } from '../logs/log-row';
import { doingWords, farWords, shareOf } from '../run/progress-words';
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
  imports: [Icon, LogRow, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Tile {
  private readonly clock = inject(Clock);
  private readonly newest = viewChild<ElementRef<HTMLElement>>('newest');

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
  /** The whole percents of the stage that are done. `undefined` when that is not known. */
  protected readonly percent = computed(() => {
    const run = this.run();
    const share = run?.state === 'running' && run.progress ? shareOf(run.progress) : undefined;
    return share === undefined ? undefined : Math.floor(share * 100);
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
  protected readonly doingWords = doingWords;
  protected readonly farWords = farWords;
  protected readonly endWords = endWords;
  protected readonly duration = duration;

  constructor() {
    afterRenderEffect(() => {
      this.lines();
      const list = this.newest()?.nativeElement;
      // Somebody may be reading in it.
      if (list !== undefined && !list.contains(list.ownerDocument.activeElement))
        list.scrollTop = list.scrollHeight;
    });
  }
}
