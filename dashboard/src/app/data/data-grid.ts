import { ChangeDetectionStrategy, Component, computed, inject, input, output } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { DataPage } from '../core/api/data';
import { Icon } from '../shared/icon';
import { CellDialog } from './cell-dialog';
import { Cell, cellOf, isNumeric, spelledOut } from './cells';

/** Rows of a table, as the server sorted them. */
@Component({
  selector: 'app-data-grid',
  templateUrl: './data-grid.html',
  styleUrl: './data-grid.scss',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class DataGrid {
  private readonly dialog = inject(MatDialog);

  readonly page = input.required<DataPage>();
  /** Columns not shown. */
  readonly hidden = input<readonly string[]>([]);
  /** `column` or `-column`. */
  readonly sort = input<string>();
  readonly label = input('Rows');
  readonly sortBy = output<string>();

  protected readonly columns = computed(() =>
    this.page()
      .columns.map((name, index) => ({ name, type: this.page().types[index] ?? '' }))
      .filter((column) => !this.hidden().includes(column.name))
      .map((column) => ({ ...column, numeric: isNumeric(column.type), order: this.orderOf(column.name) })),
  );
  protected readonly rows = computed(() =>
    this.page().rows.map((row) =>
      this.columns().map((column): Cell => cellOf(row[column.name], column.type)),
    ),
  );

  protected open(row: number, column: number): void {
    const { name, type } = this.columns()[column] ?? { name: '', type: '' };
    const value = this.page().rows[row]?.[name];
    this.dialog.open(CellDialog, { data: { name, type, text: spelledOut(value, type) }, width: '640px' });
  }

  private orderOf(column: string): 'ascending' | 'descending' | 'none' {
    if (this.sort() === column) return 'ascending';
    return this.sort() === `-${column}` ? 'descending' : 'none';
  }
}
