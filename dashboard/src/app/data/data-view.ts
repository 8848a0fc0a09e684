import {
  ChangeDetectionStrategy,
  Component,
  computed,
  inject,
  input,
  linkedSignal,
  signal,
} from '@angular/core';
import { Router } from '@angular/router';
import { map } from 'rxjs';

import { Condition, DataApi, DataPage, Target } from '../core/api/data';
import { saveAnswer } from '../core/files';
import { count } from '../core/format';
import { query } from '../core/query';
import { Session } from '../core/session';
import { Shortcuts } from '../core/shortcuts';
import { Submission } from '../core/submission';
import { Empty } from '../shared/empty';
import { FileDrop } from '../shared/file-drop';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { PipelineSelect } from '../shared/pipeline-select';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { nextSort } from './cells';
import { ColumnMenu } from './column-menu';
import { DataGrid } from './data-grid';
import { FilterForm, conditionWords } from './filter-form';

/** A page of rows and its position in the table, kept together so that the shown position always fits the shown rows. */
interface Shown extends DataPage {
  /** As they were asked for. */
  cursors: readonly string[];
  /** Number of its first row, from 1. */
  first: number;
}

const SIZES = [25, 50, 100, 250, 1000];

/** The rows of a target table, found through a config version or through a YAML file. */
@Component({
  selector: 'app-data-view',
  templateUrl: './data-view.html',
  styleUrl: './data-view.scss',
  imports: [
    ColumnMenu,
    DataGrid,
    Empty,
    FileDrop,
    FilterForm,
    Icon,
    PageHeader,
    PipelineSelect,
    ProblemView,
    QueryState,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class DataView {
  private readonly api = inject(DataApi);
  private readonly router = inject(Router);
  protected readonly isAdmin = inject(Session).role() === 'admin';

  /** Config version whose target is shown. */
  readonly config = input<string>();
  /** Which of its tables, when it has a table for each file. */
  readonly table = input<string>();

  /** The chosen YAML file. It is sent with each request and not stored. */
  protected readonly file = signal<{ name: string; yaml: string } | undefined>(undefined);
  protected readonly target = computed<Target | undefined>(() => {
    const file = this.file();
    if (file !== undefined) return { yaml: file.yaml };
    const config = Number(this.config());
    return this.isAdmin && config > 0 ? { config, table: this.table() } : undefined;
  });
  // Columns, filters and order belong to one table, so each of them is reset when the target changes.
  protected readonly sort = linkedSignal<unknown, string | undefined>({
    source: this.target,
    computation: () => undefined,
  });
  protected readonly conditions = linkedSignal<unknown, readonly Condition[]>({
    source: this.target,
    computation: () => [],
  });
  /** Cursors of the pages before this one, and of this one. */
  protected readonly cursors = linkedSignal<unknown, readonly string[]>({
    source: this.target,
    computation: () => [],
  });
  protected readonly hidden = linkedSignal<unknown, readonly string[]>({
    source: this.target,
    computation: () => [],
  });
  protected readonly limit = signal(100);

  protected readonly page = query(
    () => {
      const target = this.target();
      if (target === undefined) return undefined;
      return {
        target,
        sort: this.sort(),
        conditions: this.conditions(),
        limit: this.limit(),
        cursors: this.cursors(),
      };
    },
    ({ target, cursors, ...asked }) =>
      this.api
        .page(target, { ...asked, cursor: cursors.at(-1) })
        .pipe(map((page): Shown => ({ ...page, cursors, first: cursors.length * asked.limit + 1 }))),
    { identity: ({ target }) => target },
  );
  /** The rows on the page. They stay visible while the next page of the same table loads. */
  protected readonly shown = computed<Shown | undefined>(() => this.page.value());
  /**
   * Columns of the table. They stay when a filter was refused, so that it can be removed; a table that cannot be read
   * has no columns.
   */
  protected readonly columns = linkedSignal<
    { target: Target | undefined; page: Shown | undefined },
    readonly string[] | undefined
  >({
    source: () => ({ target: this.target(), page: this.page.value() }),
    computation: ({ target, page }, before) =>
      page?.columns ?? (before?.source.target === target ? before?.value : undefined),
  });

  protected readonly download = new Submission(this.target);

  protected readonly sizes = SIZES;
  protected readonly count = count;
  protected readonly conditionWords = conditionWords;

  constructor() {
    inject(Shortcuts).offer(
      { keys: 'r', does: 'Reload the rows', where: 'this page', run: () => this.page.reload() },
      { keys: 'j', does: 'Next page', where: 'this page', run: () => this.forward() },
      { keys: 'k', does: 'Previous page', where: 'this page', run: () => this.back() },
    );
  }

  protected async open(file: File): Promise<void> {
    this.file.set({ name: file.name, yaml: await file.text() });
  }

  protected pick(config: string): void {
    this.file.set(undefined);
    void this.router.navigate([], { queryParams: { config: config || null, table: null } });
  }

  protected sortBy(column: string): void {
    this.sort.update((now) => nextSort(now, column));
    this.cursors.set([]);
  }

  protected narrow(condition: Condition): void {
    this.conditions.update((all) => [...all, condition]);
    this.cursors.set([]);
  }

  protected widen(condition: Condition): void {
    this.conditions.update((all) => all.filter((one) => one !== condition));
    this.cursors.set([]);
  }

  protected resize(limit: string): void {
    this.limit.set(Number(limit));
    this.cursors.set([]);
  }

  protected forward(): void {
    const shown = this.shown();
    if (shown?.next && !this.page.loading()) this.cursors.set([...shown.cursors, shown.next]);
  }

  protected back(): void {
    const shown = this.shown();
    if (shown && shown.cursors.length > 0 && !this.page.loading())
      this.cursors.set(shown.cursors.slice(0, -1));
  }

  protected save(): void {
    const target = this.target();
    if (target === undefined) return;
    const rows = this.api.csv(target, { sort: this.sort(), conditions: this.conditions() });
    this.download.send(rows, (answer) => saveAnswer(answer, 'rows.csv'));
  }
}
