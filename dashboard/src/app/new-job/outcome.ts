import { ChangeDetectionStrategy, Component, computed, input, output } from '@angular/core';
import { RouterLink } from '@angular/router';

import { count, plural } from '../core/format';
import { Columns } from '../run/columns';
import { Connections } from '../run/connections';
import { Files } from '../run/files';
import { Previews } from '../run/previews';
import { readReport, sharesOf } from '../run/report';
import { Verdict } from '../run/verdict';
import { kindWord, shownState } from '../runs/run-words';
import { Icon } from '../shared/icon';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { followRun } from './followed';
import { Hindrance } from './hindrance';

/** A plan or a connection test, while it runs and after it has ended. */
@Component({
  selector: 'app-outcome',
  templateUrl: './outcome.html',
  styleUrl: './outcome.scss',
  imports: [
    Columns,
    Connections,
    Files,
    Hindrance,
    Icon,
    Previews,
    QueryState,
    RouterLink,
    StateBadge,
    Verdict,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Outcome {
  readonly id = input.required<string>();
  readonly closed = output();

  protected readonly run = followRun(this.id).run;
  protected readonly report = computed(() => readReport(this.run.value()?.report));
  protected readonly shares = computed(() => {
    const report = this.report();
    return report === undefined ? [] : sharesOf(report).filter((share) => share.rows > 0);
  });
  protected readonly count = count;
  protected readonly plural = plural;
  protected readonly kindWord = kindWord;
  protected readonly shownState = shownState;
}
