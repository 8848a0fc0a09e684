import { ChangeDetectionStrategy, Component, computed, inject, input, linkedSignal } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { QuarantinedRow } from '../core/api/models';
import { QuarantineApi, QuarantineFilter } from '../core/api/quarantine';
import { saveAnswer } from '../core/files';
import { plural } from '../core/format';
import { paged } from '../core/paged';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { PipelineSelect } from '../shared/pipeline-select';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

const LIMIT = 50;

/** Rejected rows: their contents, why they were rejected, and replaying them. */
@Component({
  selector: 'app-quarantine',
  templateUrl: './quarantine.html',
  styleUrl: './quarantine.scss',
  imports: [Empty, Icon, More, PageHeader, PipelineSelect, ProblemView, QueryState, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Quarantine {
  private readonly api = inject(QuarantineApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);

  readonly run = input<string>();
  readonly config = input<string>();

  protected readonly filter = computed<QuarantineFilter | undefined>(() => {
    if (this.run() !== undefined) return { run_id: this.run() };
    const config = Number(this.config());
    return config > 0 ? { config_id: config } : undefined;
  });
  protected readonly list = paged(
    () => this.filter(),
    (only, cursor) => this.api.list(only, LIMIT, cursor),
    (row) => row.id,
  );
  /** How often each reason occurs among the rows shown. */
  protected readonly reasons = computed(() => {
    const counts = new Map<string, number>();
    for (const { code, column } of this.list.items() ?? []) {
      const label = column ? `${code} in ${column}` : code;
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    return [...counts].sort((one, other) => other[1] - one[1]);
  });
  protected readonly chosen = linkedSignal<unknown, readonly number[]>({
    source: this.filter,
    computation: () => [],
  });
  /** Rows of one run can be replayed together. */
  protected readonly chosenRun = computed(() => {
    const runs = new Set(this.rowsChosen().map((row) => row.run_id));
    return runs.size === 1 ? [...runs][0] : undefined;
  });
  protected readonly submission = new Submission(this.filter);

  protected pick(config: string): void {
    void this.router.navigate([], { queryParams: { config: config || null, run: null } });
  }

  protected choose(row: QuarantinedRow): void {
    this.chosen.update((chosen) =>
      chosen.includes(row.id) ? chosen.filter((id) => id !== row.id) : [...chosen, row.id],
    );
  }

  protected replay(): void {
    const run = this.chosenRun();
    if (run === undefined) return;
    const ids = [...this.chosen()];
    this.confirmation
      .ask({
        title: `Replay ${plural(ids.length, 'row')}?`,
        words:
          'A new run converts the rows again, by the newest version of their config, and loads those that fit the schema now. The others stay here.',
        yes: 'Replay',
      })
      .subscribe((yes) => {
        if (!yes) return;
        const replay = this.api.replay({ run_id: run, ids, config_id: this.newestConfig() });
        this.submission.send(replay, (started) => {
          this.toaster.say('Replay started.');
          void this.router.navigate(['/runs', started.id]);
        });
      });
  }

  protected save(): void {
    const filter = this.filter();
    if (filter === undefined) return;
    this.submission.send(this.api.csv(filter), (answer) => saveAnswer(answer, 'quarantine.csv'));
  }

  private rowsChosen(): QuarantinedRow[] {
    return (this.list.items() ?? []).filter((row) => this.chosen().includes(row.id));
  }

  private newestConfig(): number | undefined {
    const config = Number(this.config());
    return config > 0 ? config : undefined;
  }
}
