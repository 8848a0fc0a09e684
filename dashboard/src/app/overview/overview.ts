import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { RouterLink } from '@angular/router';

import { RunsApi } from '../core/api/runs';
import { SchedulesApi } from '../core/api/schedules';
import { compact, count, duration } from '../core/format';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { lossWords, shownState, tookMs } from '../runs/run-words';
import { Chart } from '../shared/chart';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { Pauses } from './pauses';

const AGAIN_MS = 5000;
const LATEST = 8;
/** Places of the tiles while their numbers load. */
const TILES = [1, 2, 3, 4, 5, 6];

/** The start page of admins: numbers, alerts, the next runs and the latest ones. */
@Component({
  selector: 'app-overview',
  templateUrl: './overview.html',
  styleUrl: './overview.scss',
  imports: [Chart, Empty, Icon, PageHeader, Pauses, QueryState, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Overview {
  private readonly schedules = inject(SchedulesApi);
  private readonly runs = inject(RunsApi);

  protected readonly numbers = query(
    () => ({}),
    () => this.schedules.overview(),
    { every: AGAIN_MS },
  );
  protected readonly latest = query(
    () => ({}),
    () => this.runs.list({ kind: 'run' }, LATEST),
    { every: AGAIN_MS },
  );
  protected readonly busy = computed(() => {
    const numbers = this.numbers.value();
    return numbers === undefined || numbers.slots === 0
      ? 0
      : Math.min(100, (numbers.running / numbers.slots) * 100);
  });
  /** Runs of the last 24 hours that loaded everything. */
  protected readonly clean = computed(() => {
    const now = this.numbers.value();
    return now === undefined ? 0 : now.succeeded_24h - now.warned_24h - now.nothing_loaded_24h;
  });
  /** Runs of the last 24 hours that succeeded with warnings or loaded nothing. */
  protected readonly lossy = computed(() => {
    const numbers = this.numbers.value();
    return numbers === undefined ? 0 : numbers.warned_24h + numbers.nothing_loaded_24h;
  });
  protected readonly chart = computed(() => {
    const days = this.numbers.value()?.days ?? [];
    return {
      xAxis: { type: 'category', data: days.map((day) => dayLabel(day.day)) },
      yAxis: {
        type: 'value',
        axisLabel: { formatter: (rows: number) => compact(rows) },
        minInterval: 1,
        splitNumber: 4,
      },
      series: [
        {
          name: 'New rows',
          type: 'bar',
          barMaxWidth: 26,
          itemStyle: { borderRadius: [4, 4, 0, 0] },
          data: days.map((day) => day.rows_inserted),
        },
      ],
    };
  });
  protected readonly chartWords = computed(() => {
    const days = this.numbers.value()?.days ?? [];
    const parts = days.map((day) => `${dayLabel(day.day)}: ${count(day.rows_inserted)}`);
    return `New rows per day. ${parts.join(', ')}`;
  });
  protected readonly anyRows = computed(
    () => this.numbers.value()?.days.some((day) => day.rows_inserted > 0) ?? false,
  );

  protected readonly tiles = TILES;
  protected readonly count = count;
  protected readonly duration = duration;
  protected readonly tookMs = tookMs;
  protected readonly lossWords = lossWords;
  protected readonly shownState = shownState;

  constructor() {
    inject(Shortcuts).offer({
      keys: 'r',
      does: 'Reload the numbers',
      where: 'this page',
      run: () => {
        this.numbers.reload();
        this.latest.reload();
      },
    });
  }
}

function dayLabel(day: string): string {
  return new Intl.DateTimeFormat('en-US', { timeZone: 'UTC', month: 'short', day: 'numeric' }).format(
    Date.parse(day),
  );
}
