import { ChangeDetectionStrategy, Component, computed, inject, input, linkedSignal } from '@angular/core';
import { Router, RouterLink } from '@angular/router';
import { EMPTY, expand, reduce, take } from 'rxjs';

import { QuarantinePage, QuarantineReason, QuarantinedRow } from '../core/api/models';
import { QuarantineApi, QuarantineFilter } from '../core/api/quarantine';
import { follow } from '../core/files';
import { count, plural } from '../core/format';
import { paged } from '../core/paged';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { reasonWord } from '../run/report';
import { Confirmation } from '../shared/confirm';
import { toggled } from '../shared/chosen';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { PipelineSelect } from '../shared/pipeline-select';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { ViewMenu } from '../shared/view-menu';
import { RejectingRuns } from './rejecting-runs';

const LIMIT = 50;
/** Rows that are read at once to choose all, and the most that one replay takes by their ids. */
const READ = 250;
const MOST = 10_000;

/** Rejected rows: their contents, why they were rejected, and replaying them. */
@Component({
  selector: 'app-quarantine',
  templateUrl: './quarantine.html',
  styleUrl: './quarantine.scss',
  imports: [
    Empty,
    Icon,
    More,
    PageHeader,
    PipelineSelect,
    ProblemView,
    QueryState,
    RejectingRuns,
    RouterLink,
    Time,
    ViewMenu,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Quarantine {
  private readonly api = inject(QuarantineApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);

  readonly run = input<string>();
  readonly config = input<string>();
  /** Only rejected with this code. */
  readonly code = input<string>();
  /** Only about this column. */
  readonly column = input<string>();
  /** `true`: only rows that no replay has loaded. */
  readonly open = input<string>();

  /** Whose rows: those of a run, or all of a table; and whether those that were replayed are among them. */
  private readonly whose = computed<QuarantineFilter | undefined>(() => {
    const open = this.open() === 'true' || undefined;
    if (this.run() !== undefined) return { run_id: this.run(), open };
    const config = Number(this.config());
    return config > 0 ? { config_id: config, open } : undefined;
  });
  protected readonly filter = computed<QuarantineFilter | undefined>(() => {
    const whose = this.whose();
    return whose && { ...whose, code: this.code() || undefined, column: this.column() || undefined };
  });
  protected readonly list = paged(
    () => this.filter(),
    (only, cursor) => this.api.list(only, LIMIT, cursor),
    (row) => row.id,
  );
  /** The reasons of all rows, counted by the server. While only the chosen reason changes, they stay. */
  protected readonly reasons = linkedSignal<
    { whose: QuarantineFilter | undefined; reasons: readonly QuarantineReason[] | null | undefined },
    readonly QuarantineReason[]
  >({
    source: () => ({ whose: this.whose(), reasons: this.list.first.value()?.reasons }),
    computation: ({ whose, reasons }, before) =>
      reasons ?? (before?.source.whose === whose ? (before?.value ?? []) : []),
  });
  protected readonly total = computed(() => this.list.first.value()?.total);
  private readonly replayable = computed(() =>
    (this.list.items() ?? []).filter((row) => !row.replayed_by).map((row) => row.id),
  );
  protected readonly canChoose = computed(() => this.replayable().length > 0);
  protected readonly allChosen = computed(
    () => this.replayable().length > 0 && this.replayable().every((id) => this.chosen().includes(id)),
  );
  /** Whether all rows shown are chosen, and the run has more of them. */
  protected readonly canChooseEvery = computed(
    () =>
      this.run() !== undefined &&
      this.allChosen() &&
      this.list.hasMore() &&
      this.chosen().length === this.replayable().length,
  );
  protected readonly chosen = linkedSignal<unknown, readonly number[]>({
    source: this.filter,
    computation: () => [],
  });
  /** Rows of one run can be replayed together. */
  protected readonly chosenRun = computed(() => {
    if (this.run() !== undefined) return this.chosen().length > 0 ? this.run() : undefined;
    const runs = new Set(this.rowsChosen().map((row) => row.run_id));
    return runs.size === 1 ? [...runs][0] : undefined;
  });
  protected readonly submission = new Submission(this.filter);
  protected readonly count = count;

  protected pick(config: string): void {
    void this.router.navigate([], {
      queryParams: { config: config || null, open: (config && this.open()) || null },
    });
  }

  protected showReplayed(shown: boolean): void {
    void this.router.navigate([], {
      queryParams: { open: shown ? null : true },
      queryParamsHandling: 'merge',
    });
  }

  protected isShown({ code, column }: QuarantineReason): boolean {
    return code === this.code() && (column ?? undefined) === (this.column() || undefined);
  }

  /** Shows only the rows that were rejected for this reason, or all again. */
  protected narrow(reason: QuarantineReason): void {
    const only = this.isShown(reason) ? undefined : reason;
    void this.router.navigate([], {
      queryParams: { code: only?.code ?? null, column: only?.column ?? null },
      queryParamsHandling: 'merge',
    });
  }

  protected reasonWords({ code, column }: QuarantineReason): string {
    return reasonWord(code, column);
  }

  protected chooseAll(): void {
    this.chosen.set(this.allChosen() ? [] : this.replayable());
  }

  /** Chooses all rows of the run that match, also those that are not shown, up to as many as one replay takes. */
  protected chooseEvery(): void {
    const filter = this.filter();
    if (filter === undefined) return;
    const only = { ...filter, open: true };
    const every = this.api.list(only, READ).pipe(
      expand((page) => (page.next ? this.api.list(only, READ, page.next) : EMPTY)),
      take(MOST / READ),
      reduce<QuarantinePage, number[]>((ids, page) => [...ids, ...page.data.map((row) => row.id)], []),
    );
    this.submission.send(every, (ids) => {
      this.chosen.set(ids.slice(0, MOST));
      if (ids.length >= MOST)
        this.toaster.say(`${count(MOST)} rows are chosen, as many as one replay takes.`);
    });
  }

  protected choose(row: QuarantinedRow): void {
    this.chosen.update((chosen) => toggled(chosen, row.id));
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
    this.submission.send(this.api.csvLink(filter), ({ address }) => follow(address));
  }

  private rowsChosen(): QuarantinedRow[] {
    return (this.list.items() ?? []).filter((row) => this.chosen().includes(row.id));
  }

  private newestConfig(): number | undefined {
    const config = Number(this.config());
    return config > 0 ? config : undefined;
  }
}
