import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Run } from '../core/api/models';
import { bytes, count } from '../core/format';
import { CopyButton } from '../shared/copy-button';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { DataGrid } from '../data/data-grid';
import { Rejections } from './rejections';
import { RunReport, dialectWords, driftWords } from './report';

/** The result of a run: rows of each file, rejected rows, and changes of the table. */
@Component({
  selector: 'app-files',
  templateUrl: './files.html',
  styleUrl: './files.scss',
  imports: [CopyButton, DataGrid, Empty, Icon, Rejections, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Files {
  readonly report = input.required<RunReport>();
  readonly run = input.required<Run>();

  /** The first new rows of a plan, as a table. */
  protected readonly samples = computed(() => {
    const { columns, samples } = this.report();
    return {
      columns: columns.map((column) => column.name),
      types: columns.map((column) => column.type),
      rows: (samples ?? []).map((row) =>
        Object.fromEntries(columns.map((column, at) => [column.name, row[at] ?? null])),
      ),
    };
  });
  protected readonly kept = computed(() =>
    this.run().kind === 'plan' || this.run().kind === 'check'
      ? 'No rows were loaded or stored. A run would put these rows into quarantine.'
      : 'All of them are in quarantine. Correct the source or the schema, then replay them there.',
  );
  protected readonly count = count;
  protected readonly bytes = bytes;
  protected readonly dialectWords = dialectWords;
  protected readonly driftWords = driftWords;
}
