import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Run } from '../core/api/models';
import { bytes, count } from '../core/format';
import { CopyButton } from '../shared/copy-button';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { DataGrid } from '../data/data-grid';
import { Rejections } from './rejections';
import { RunReport, driftWords } from './report';

/** What a run did, file by file, and what it changed. */
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
      ? 'Nothing was loaded or kept: a run would put these rows into quarantine.'
      : 'All of them are kept in quarantine, where they can be replayed once the source or the schema is corrected.',
  );
  protected readonly count = count;
  protected readonly bytes = bytes;
  protected readonly driftWords = driftWords;
}
