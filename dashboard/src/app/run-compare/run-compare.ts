import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Clock } from '../core/clock';
import { query } from '../core/query';
import { RunReport, readReport } from '../run/report';
import { isOver, shownState } from '../runs/run-words';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { columnsOf, factsOf, filesOf, timesOf } from './differences';
import { Pairs } from './pairs';

/** Two runs side by side: what they read and loaded, their columns, files and times. */
@Component({
  selector: 'app-run-compare',
  templateUrl: './run-compare.html',
  styleUrl: './run-compare.scss',
  imports: [Empty, Icon, PageHeader, Pairs, QueryState, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunCompare {
  private readonly api = inject(RunsApi);
  private readonly clock = inject(Clock);

  /** Id of the earlier run. */
  readonly a = input<string>();
  /** Id of the later run. */
  readonly b = input<string>();

  protected readonly first = query(
    () => this.a() || undefined,
    (id) => this.api.find(id),
  );
  protected readonly second = query(
    () => this.b() || undefined,
    (id) => this.api.find(id),
  );
  protected readonly both = computed(() => {
    const [a, b] = [this.first.value(), this.second.value()];
    if (a === undefined || b === undefined) return undefined;
    return { a: { run: a, report: whole(a) }, b: { run: b, report: whole(b) } };
  });
  protected readonly facts = computed(() => {
    const both = this.both();
    return both ? factsOf(both.a.run, both.b.run) : [];
  });
  protected readonly times = computed(() => {
    const both = this.both();
    return both ? timesOf(both.a, both.b, this.clock.now()) : [];
  });
  protected readonly columns = computed(() => {
    const both = this.both();
    return both?.a.report && both.b.report ? columnsOf(both.a.report, both.b.report) : [];
  });
  protected readonly files = computed(() => {
    const both = this.both();
    return both?.a.report && both.b.report ? filesOf(both.a.report, both.b.report) : [];
  });
  /** What the page cannot tell, as sentences. */
  protected readonly notes = computed(() => {
    const both = this.both();
    if (both === undefined) return [];
    const notes: string[] = [];
    for (const [which, { run, report }] of [
      ['earlier', both.a],
      ['later', both.b],
    ] as const) {
      if (!isOver(run)) notes.push(`The ${which} run is not over, so that its numbers still change.`);
      else if (report === undefined)
        notes.push(
          `The ${which} run did not finish, so that its columns, files and steps cannot be compared.`,
        );
      if (report && report.files_total > report.files.length)
        notes.push(
          `The report of the ${which} run lists ${report.files.length} of its ${report.files_total} files.`,
        );
    }
    if (both.a.run.name !== both.b.run.name) notes.push('The runs are of different pipelines.');
    return notes;
  });

  protected readonly shownState = shownState;
}

/** The report of a run that finished. That of another one lacks what the run had not come to, which would look like a difference. */
function whole(run: Run): RunReport | undefined {
  const report = readReport(run.report);
  return report?.partial ? undefined : report;
}
