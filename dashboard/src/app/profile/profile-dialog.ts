import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { MAT_DIALOG_DATA, MatDialogModule } from '@angular/material/dialog';
import { RouterLink } from '@angular/router';

import { ColumnProfile, ProfileView } from '../core/api/models';
import { ProfilesApi } from '../core/api/profiles';
import { count } from '../core/format';
import { query } from '../core/query';
import { QueryState } from '../shared/query-state';
import { Bar, Sparkline } from '../shared/sparkline';
import { Time } from '../shared/time';
import { Bars } from './bars';
import { different, ends, missing, percent, spelled } from './profile-words';

/** What the dialog is about. */
export interface ProfileSubject {
  pipeline: string;
  /** Which table, of a config with a table for each file. */
  table?: string;
  column: ColumnProfile;
  rows: number;
  /** Whether the profiles of earlier runs can be read. */
  hasHistory: boolean;
}

const RUNS = 20;

/** One column of one run: everything that is known of its values, and how they changed over the last runs. */
@Component({
  selector: 'app-profile-dialog',
  templateUrl: './profile-dialog.html',
  styleUrl: './profile-dialog.scss',
  imports: [Bars, MatDialogModule, QueryState, RouterLink, Sparkline, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ProfileDialog {
  protected readonly subject = inject<ProfileSubject>(MAT_DIALOG_DATA);
  private readonly api = inject(ProfilesApi);

  protected readonly column = this.subject.column;
  protected readonly values = this.subject.rows - (this.column.nulls ?? 0);
  protected readonly history = query(
    () => (this.subject.hasHistory ? this.subject : undefined),
    ({ pipeline, table, column }) => this.api.history(pipeline, { table, column: column.name, limit: RUNS }),
  );
  /** The runs that had the column, newest first. */
  protected readonly runs = computed(() =>
    (this.history.value()?.data ?? []).flatMap((view) => {
      const found = columnOf(view, this.column.name ?? '');
      return found === undefined ? [] : [{ ...view, ...found }];
    }),
  );
  protected readonly missingBars = computed(() =>
    this.bars((run) => ((run.column.nulls ?? 0) / Math.max(1, run.rows)) * 100, missing),
  );
  protected readonly differentBars = computed(() => this.bars((run) => run.column.distinct ?? 0, different));

  protected readonly count = count;
  protected readonly different = different;
  protected readonly ends = ends;
  protected readonly missing = missing;
  protected readonly percent = percent;
  protected readonly spelled = spelled;

  private bars(
    value: (run: { column: ColumnProfile; rows: number }) => number,
    words: (column: ColumnProfile, rows: number) => string,
  ): Bar[] {
    const runs = this.runs().toReversed();
    return runs.map((run) => ({ value: value(run), title: words(run.column, run.rows), tone: 'calm' }));
  }
}

/** A column of a profile, with the number of rows. */
function columnOf(view: ProfileView, name: string): { column: ColumnProfile; rows: number } | undefined {
  const column = view.profile?.columns?.find((one) => one.name === name);
  return column && { column, rows: view.profile?.rows ?? 0 };
}
