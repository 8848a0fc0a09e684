import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';

import { SystemApi } from '../core/api/system';
import { clockTime, count } from '../core/format';
import { query } from '../core/query';
import { Chart } from '../shared/chart';
import { Empty } from '../shared/empty';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { SearchBox } from '../shared/search-box';
import { Time } from '../shared/time';
import { CoverageBar } from './coverage-bar';

/** The share of the code that the tests execute: in total, by file, and over time. */
@Component({
  selector: 'app-coverage',
  templateUrl: './coverage.html',
  styleUrl: './coverage.scss',
  imports: [Chart, CoverageBar, Empty, PageHeader, QueryState, SearchBox, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Coverage {
  private readonly api = inject(SystemApi);

  protected readonly report = query(
    () => ({}),
    () => this.api.coverage(),
  );
  protected readonly search = signal('');
  protected readonly files = computed(() =>
    Object.entries(this.report.value()?.files ?? {})
      .map(([name, file]) => ({ name, ...file.summary }))
      .filter((file) => file.name.toLowerCase().includes(this.search().trim().toLowerCase()))
      .sort((one, other) => one.percent_covered - other.percent_covered),
  );
  protected readonly none = computed(() => this.report.problem()?.code === 'no_coverage');
  protected readonly trend = computed(() => {
    const history = this.report.value()?.history ?? [];
    // From the tens below the lowest point, so that small changes can be seen.
    const lowest = Math.max(0, Math.floor(Math.min(100, ...history.map((point) => point.percent_covered)) / 10) * 10 - 10);
    return {
      xAxis: { type: 'category', data: history.map((point) => clockTime(Date.parse(point.at), 'local')), show: false },
      yAxis: { type: 'value', min: lowest, max: 100, axisLabel: { formatter: '{value} %' }, splitNumber: 3 },
      series: [
        {
          name: 'Covered',
          type: 'line',
          smooth: true,
          symbolSize: 6,
          areaStyle: { opacity: 0.08 },
          data: history.map((point) => Number(point.percent_covered.toFixed(2))),
        },
      ],
    };
  });

  protected readonly count = count;
}
