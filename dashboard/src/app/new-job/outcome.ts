import {
  ChangeDetectionStrategy,
  Component,
  computed,
  effect,
  inject,
  input,
  output,
  untracked,
} from '@angular/core';
import { RouterLink } from '@angular/router';
import { Subscription } from 'rxjs';

import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { count, plural } from '../core/format';
import { Query, query } from '../core/query';
import { Columns } from '../run/columns';
import { Connections } from '../run/connections';
import { Files } from '../run/files';
import { Previews } from '../run/previews';
import { readReport, sharesOf } from '../run/report';
import { Verdict } from '../run/verdict';
import { isOver, kindWord, shownState, whyWaiting } from '../runs/run-words';
import { ErrorCode } from '../shared/error-code';
import { Icon } from '../shared/icon';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';

const AGAIN_MS = 1500;

/** A plan or a connection test, while it runs and after it has ended. */
@Component({
  selector: 'app-outcome',
  templateUrl: './outcome.html',
  styleUrl: './outcome.scss',
  imports: [
    Columns,
    Connections,
    ErrorCode,
    Files,
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
  private readonly api = inject(RunsApi);

  readonly id = input.required<string>();
  readonly closed = output();

  protected readonly run: Query<Run> = query(
    () => this.id(),
    (id) => this.api.find(id),
    { every: () => (this.over() ? 0 : AGAIN_MS) },
  );
  protected readonly over = computed((): boolean => {
    const run = this.run.value();
    return run !== undefined && isOver(run);
  });
  protected readonly report = computed(() => readReport(this.run.value()?.report));
  protected readonly shares = computed(() => {
    const report = this.report();
    return report === undefined ? [] : sharesOf(report).filter((share) => share.rows > 0);
  });
  protected readonly waiting = computed(() => {
    const run = this.run.value();
    return run === undefined ? undefined : whyWaiting(run, undefined, Date.now());
  });

  protected readonly count = count;
  protected readonly plural = plural;
  protected readonly kindWord = kindWord;
  protected readonly shownState = shownState;

  constructor() {
    effect((onCleanup) => {
      const stream: Subscription = this.api.watch(this.id()).subscribe({
        next: (event) => {
          if (event.kind === 'run') this.run.patch(() => event.run);
        },
        complete: () => untracked(() => this.run.reload()),
        // Without the stream, the repeated request above shows the same a little later.
        error: () => undefined,
      });
      onCleanup(() => stream.unsubscribe());
    });
  }
}
