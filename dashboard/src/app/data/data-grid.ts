import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  afterNextRender,
  afterRenderEffect,
  computed,
  inject,
  input,
  output,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { DataPage } from '../core/api/data';
import { ColumnProfile, RunProfile as ProfileOfRun } from '../core/api/models';
import { ProfileStrip } from '../profile/profile-strip';
import { Icon } from '../shared/icon';
import { CellDialog } from './cell-dialog';
import { Cell, cellOf, isNumeric, spelledOut } from './cells';
import { endsOf, evenSpan, sameSpan, unevenSpan, wholeSpan } from './windowing';

/** Cells above which only the visible part of a table is drawn, and a little around it. */
const WHOLE = 5000;
const ROW_PX = 31;
const ROWS_BEYOND = 8;
const COLUMNS_BEYOND = 2;
/** Rows whose values decide the width of a column. */
const MEASURED = 40;
const CHARACTER_PX = 7.6;
const [NARROWEST, WIDEST] = [84, 300];
/** Room for a profile. */
const PROFILE_PX = 150;

interface Column {
  name: string;
  type: string;
  /** Index among the columns shown. */
  index: number;
  numeric: boolean;
  order: 'ascending' | 'descending' | 'none';
  profile: ColumnProfile | undefined;
}

/** The rows of a table in the order of the server. */
@Component({
  selector: 'app-data-grid',
  templateUrl: './data-grid.html',
  styleUrl: './data-grid.scss',
  imports: [Icon, ProfileStrip],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class DataGrid {
  private readonly dialog = inject(MatDialog);
  private readonly scroller = viewChild.required<ElementRef<HTMLElement>>('scroller');

  readonly page = input.required<Pick<DataPage, 'columns' | 'types' | 'rows'>>();
  /** Names of hidden columns. */
  readonly hidden = input<readonly string[]>([]);
  /** `column` or `-column`. */
  readonly sort = input<string>();
  /** Whether a click on a header asks for another order. */
  readonly sortable = input(true);
  readonly label = input('Rows');
  /** What the values of columns look like. Columns that are not in it have no strip. */
  readonly profile = input<ProfileOfRun>();
  readonly sortBy = output<string>();
  readonly profileOpened = output<ColumnProfile>();

  /** The visible part of the table, in pixels. */
  private readonly view = signal({ top: 0, left: 0, width: 1200, height: 700 });

  private readonly profiles = computed(
    () => new Map((this.profile()?.columns ?? []).map((column) => [column.name, column])),
  );
  protected readonly profileRows = computed(() => this.profile()?.rows ?? 0);
  protected readonly columns = computed<Column[]>(() => {
    const [{ columns, types }, hidden] = [this.page(), new Set(this.hidden())];
    return columns
      .map((name, at) => ({ name, type: types[at] ?? '' }))
      .filter((column) => !hidden.has(column.name))
      .map((column, index) => ({
        ...column,
        index,
        numeric: isNumeric(column.type),
        order: this.orderOf(column.name),
        profile: this.profiles().get(column.name),
      }));
  });
  /** Whether only a part of the table is drawn. */
  protected readonly inPart = computed(() => this.columns().length * this.page().rows.length > WHOLE);
  private readonly widths = computed(() =>
    this.inPart() ? this.columns().map((one) => this.widthOf(one)) : [],
  );
  private readonly ends = computed(() => endsOf(this.widths()));
  protected readonly width = computed(() => this.ends().at(-1));

  protected readonly across = computed(
    () => {
      const { left, width } = this.view();
      return this.inPart()
        ? unevenSpan(this.ends(), left, width, COLUMNS_BEYOND)
        : wholeSpan(this.columns().length);
    },
    { equal: sameSpan },
  );
  protected readonly down = computed(
    () => {
      const [{ top, height }, count] = [this.view(), this.page().rows.length];
      return this.inPart() ? evenSpan(count, ROW_PX, top, height, ROWS_BEYOND) : wholeSpan(count);
    },
    { equal: sameSpan },
  );
  protected readonly drawnColumns = computed(() => {
    const { from, to } = this.across();
    const widths = this.widths();
    return this.columns()
      .slice(from, to)
      .map((column) => ({ ...column, width: widths[column.index] }));
  });
  protected readonly drawnRows = computed(() => {
    const [{ from, to }, columns] = [this.down(), this.drawnColumns()];
    return this.page()
      .rows.slice(from, to)
      .map((row, at) => ({
        index: from + at,
        cells: columns.map((column): Cell => cellOf(row[column.name], column.type)),
      }));
  });

  private waiting = 0;
  private focusInside = false;

  constructor() {
    const resized = new ResizeObserver(() => this.look());
    afterNextRender(() => resized.observe(this.scroller().nativeElement));
    inject(DestroyRef).onDestroy(() => {
      resized.disconnect();
      cancelAnimationFrame(this.waiting);
    });
    // Another page starts at its first row and keeps the horizontal scroll position.
    afterRenderEffect(() => {
      this.page();
      untracked(() => {
        this.scroller().nativeElement.scrollTop = 0;
        this.look();
      });
    });
    // When the focused header or cell is no longer drawn, the table takes the focus, because keys would stop working.
    afterRenderEffect(() => {
      this.drawnRows();
      const scroller = this.scroller().nativeElement;
      const lost = this.focusInside && document.activeElement === document.body;
      if (lost) scroller.focus({ preventScroll: true });
    });
  }

  protected scrolled(): void {
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => this.look());
  }

  protected focused(inside: boolean): void {
    this.focusInside = inside;
  }

  protected open(row: number, column: number): void {
    const { name, type } = this.columns()[column] ?? { name: '', type: '' };
    const value = this.page().rows[row]?.[name];
    this.dialog.open(CellDialog, { data: { name, type, text: spelledOut(value, type) }, width: '640px' });
  }

  private look(): void {
    const { scrollTop, scrollLeft, clientWidth, clientHeight } = this.scroller().nativeElement;
    this.view.set({ top: scrollTop, left: scrollLeft, width: clientWidth, height: clientHeight });
  }

  /** Room for the name, the type and most values of a column. */
  private widthOf({ name, type, profile }: Column): number {
    let longest = Math.max(name.length + 2, type.length);
    for (const row of this.page().rows.slice(0, MEASURED)) {
      longest = Math.max(longest, cellOf(row[name], type).text.length);
    }
    return Math.round(
      Math.min(Math.max(longest * CHARACTER_PX + 26, profile ? PROFILE_PX : NARROWEST), WIDEST),
    );
  }

  private orderOf(column: string): 'ascending' | 'descending' | 'none' {
    if (this.sort() === column) return 'ascending';
    return this.sort() === `-${column}` ? 'descending' : 'none';
  }
}
