import {
  ChangeDetectionStrategy,
  Component,
  computed,
  inject,
  input,
  linkedSignal,
  signal,
} from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Clock } from '../core/clock';
import { count, duration } from '../core/format';
import { query } from '../core/query';
import { kindWord, shownState, toneOf } from '../runs/run-words';
import { CompareButton, chooseTwo } from '../shared/compare-button';
import { Empty } from '../shared/empty';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { Axis, barsOf } from './run-bars';

const SHOWN = 50;
const AGAIN_MS = 5000;
const AXES: { axis: Axis; label: string }[] = [
  { axis: 'request', label: 'From the request' },
  { axis: 'clock', label: 'On the clock' },
];

/** The newest runs of a pipeline: how long each waited and ran, as a bar and in words. */
@Component({
  selector: 'app-run-times',
  templateUrl: './run-times.html',
  styleUrl: './run-times.scss',
  imports: [CompareButton, Empty, QueryState, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunTimes {
  private readonly api = inject(RunsApi);
  private readonly clock = inject(Clock);
  private readonly router = inject(Router);

  readonly name = input.required<string>();

  protected readonly runs = query(
    () => this.name(),
    (name) => this.api.list({ name }, SHOWN),
    { every: AGAIN_MS },
  );
  protected readonly axis = signal<Axis>('request');
  protected readonly axes = AXES;
  protected readonly drawn = computed(() =>
    barsOf(this.runs.value()?.data ?? [], this.axis(), this.clock.second()),
  );
  protected readonly chosen = linkedSignal<string, readonly string[]>({
    source: this.name,
    computation: () => [],
  });

  protected readonly shownState = shownState;
  protected readonly toneOf = toneOf;
  protected readonly kindWord = kindWord;
  protected readonly duration = duration;
  protected readonly count = count;

  protected choose(run: Run): void {
    this.chosen.update((chosen) => chooseTwo(chosen, run.id));
  }

  protected compare(): void {
    // The ids of runs begin with their time, so that the earlier run comes first.
    const [a, b] = this.chosen().toSorted();
    void this.router.navigate(['/runs/compare'], { queryParams: { a, b } });
  }
}
