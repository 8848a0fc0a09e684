import { ChangeDetectionStrategy, Component, computed, inject, input, linkedSignal } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';
import { MatMenuModule } from '@angular/material/menu';
import { Router } from '@angular/router';
import { map } from 'rxjs';

import { Condition, DataApi, DataPage, FileFormat, Target } from '../core/api/data';
import { ColumnProfile } from '../core/api/models';
import { ProfilesApi } from '../core/api/profiles';
import { follow, saveAnswer } from '../core/files';
import { count } from '../core/format';
import { query } from '../core/query';
import { Session } from '../core/session';
import { Shortcuts } from '../core/shortcuts';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { ProfileDialog, ProfileSubject } from '../profile/profile-dialog';
import { Empty } from '../shared/empty';
import { FileDrop } from '../shared/file-drop';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { PipelineSelect } from '../shared/pipeline-select';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { nextSort } from './cells';
import { ColumnMenu } from './column-menu';
import { Look, SIZES, Several, addressOf, lookOf } from './data-address';
import { DataGrid } from './data-grid';
import { FilterForm, conditionWords } from './filter-form';
import { SavedFilters, SavedLook } from './saved-filters';
import { SharedChoice, SharedChosen } from './shared-choice';
import { TargetFile } from './target-file';

/** A page of rows and its position in the table, kept together so that the shown position always fits the shown rows. */
interface Shown extends DataPage {
  /** Number of rows before it. */
  offset: number;
  /** Rows that a page has when it is full. Of a wide table, a page has fewer rows than were asked for. */
  size: number;
}

/** The rows of a target table, found through a config version, through a share, or through a YAML file. */
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
    MatMenuModule,
    PageHeader,
    PipelineSelect,
    ProblemView,
    QueryState,
    SavedFilters,
    SharedChoice,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class DataView {
  private readonly api = inject(DataApi);
  private readonly profiles = inject(ProfilesApi);
  private readonly dialog = inject(MatDialog);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  protected readonly isAdmin = inject(Session).role() === 'admin';

  /** Config version whose target is shown. */
  readonly config = input<string>();
  /** Pipeline whose table is shared with the user. */
  readonly shared = input<string>();
  readonly sort = input<string>();
  readonly filter = input<Several>();
  readonly hide = input<Several>();
  readonly internal = input<string>();
  readonly rows = input<string>();
  readonly row = input<string>();
  /** Which of its tables, when it has a table for each file. */
  readonly table = input<string>();

  /** The chosen YAML file. It is sent with each request and not stored. */
  protected readonly file = inject(TargetFile).file;
  protected readonly target = computed<Target | undefined>(() => {
    const file = this.file();
    if (file !== undefined) return { yaml: file.yaml };
    const shared = this.shared();
    if (shared) return { shared, table: this.table() };
    const config = Number(this.config());
    return this.isAdmin && config > 0 ? { config, table: this.table() } : undefined;
  });
  /** The pipeline whose shared table is shown. */
  protected readonly sharedNow = computed(() => (this.file() === undefined ? this.shared() : undefined));
  protected readonly look = computed<Look>(
    () =>
      lookOf({
        sort: this.sort(),
        filter: this.filter(),
        hide: this.hide(),
        internal: this.internal(),
        rows: this.rows(),
        row: this.row(),
      }),
    // Another parameter of the address may be new although it says the same.
    { equal: (one, other) => JSON.stringify(one) === JSON.stringify(other) },
  );

  protected readonly page = query(
    () => {
      const target = this.target();
      const { sort, conditions, internal, limit, offset } = this.look();
      return target === undefined ? undefined : { target, sort, conditions, internal, limit, offset };
    },
    ({ target, ...asked }) =>
      this.api.page(target, asked).pipe(
        map((page): Shown => {
          const size = page.next ? page.rows.length : asked.limit;
          return { ...page, offset: asked.offset, size };
        }),
      ),
    { identity: ({ target }) => target },
  );
  /** What the newest run of the pipeline delivered. Rows that a YAML file names have no profile, because any file may name them. */
  protected readonly profile = query(
    () => {
      const target = this.target();
      return target === undefined || 'yaml' in target ? undefined : target;
    },
    (target) =>
      'shared' in target
        ? this.profiles.ofShared(target.shared, target.table)
        : this.profiles.newest(target.config, target.table),
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

  protected emptyTitle(): string {
    if (this.look().offset > 0) return 'The table ends before this page';
    return this.look().conditions.length > 0 ? 'No rows match the filters' : 'The table is empty';
  }

  protected emptyWords(): string {
    if (this.look().offset > 0) return 'Go back to the first page.';
    return this.look().conditions.length > 0
      ? 'Remove a filter to see more.'
      : 'Rows appear here after a run has loaded them.';
  }

  protected async open(file: File): Promise<void> {
    const yaml = await file.text();
    // What was chosen for the table before does not fit this one.
    await this.router.navigate([], { queryParams: {} });
    this.file.set({ name: file.name, yaml });
  }

  protected pick(config: string): void {
    this.file.set(undefined);
    void this.router.navigate([], { queryParams: { config: config || null, table: null, shared: null } });
  }

  /** Shows a table that is shared with the user. What was chosen for another one does not fit it. */
  protected pickShared({ pipeline, table }: SharedChosen): void {
    this.file.set(undefined);
    void this.router.navigate([], { queryParams: { shared: pipeline || null, table: table || null } });
  }

  protected showSaved(saved: SavedLook): void {
    this.show({ ...saved, offset: 0 });
  }

  protected openProfile(column: ColumnProfile): void {
    const newest = this.profile.value();
    if (newest?.profile === undefined) return;
    const { pipeline, table, profile, hasHistory } = newest;
    const data: ProfileSubject = { pipeline, table, column, rows: profile.rows ?? 0, hasHistory };
    this.dialog.open(ProfileDialog, { data, width: '720px' });
  }

  protected sortBy(column: string): void {
    this.show({ sort: nextSort(this.look().sort, column), offset: 0 });
  }

  protected narrow(condition: Condition): void {
    this.show({ conditions: [...this.look().conditions, condition], offset: 0 });
  }

  protected widen(condition: Condition): void {
    this.show({ conditions: this.look().conditions.filter((one) => one !== condition), offset: 0 });
  }

  protected resize(limit: string): void {
    this.show({ limit: Number(limit), offset: 0 });
  }

  protected setHidden(hidden: readonly string[]): void {
    this.show({ hidden }, true);
  }

  protected setInternal(internal: boolean): void {
    this.show({ internal }, true);
  }

  protected forward(): void {
    const shown = this.shown();
    if (shown?.next && !this.page.loading()) this.show({ offset: shown.offset + shown.rows.length });
  }

  protected back(): void {
    const shown = this.shown();
    if (shown && shown.offset > 0 && !this.page.loading())
      this.show({ offset: Math.max(0, shown.offset - this.step(shown)) });
  }

  protected toFirst(): void {
    this.show({ offset: 0 });
  }

  protected toLast(): void {
    const shown = this.shown();
    if (shown?.total)
      this.show({ offset: Math.floor((shown.total - 1) / this.step(shown)) * this.step(shown) });
  }

  protected save(format: FileFormat): void {
    const target = this.target();
    if (target === undefined) return;
    const { sort, conditions, internal } = this.look();
    const asked = { sort, conditions, internal };
    if (format === 'csv' && !('yaml' in target)) {
      this.download.send(this.api.csvLink(target, asked), ({ address }) => {
        follow(address);
        this.toaster.say(
          'The browser downloads the file. If the table has more rows than an export may have, the name of the file says so.',
        );
      });
      return;
    }
    this.download.send(this.api.file(target, asked, format), (answer) => {
      saveAnswer(answer, `rows.${format}`);
      const cut = answer.headers.get('elt-export-cut');
      if (cut !== null)
        this.toaster.say(`The table has more rows: the file has the first ${count(Number(cut))}`);
    });
  }

  /** Rows from one page to the next. A page has fewer rows than were asked for when the table is wide. */
  private step(shown: Shown): number {
    return Math.max(1, shown.next ? shown.rows.length : shown.size);
  }

  private show(change: Partial<Look>, replaceUrl = false): void {
    const queryParams = addressOf({ ...this.look(), ...change });
    void this.router.navigate([], { queryParams, queryParamsHandling: 'merge', replaceUrl });
  }
}
