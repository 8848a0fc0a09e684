import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  computed,
  effect,
  inject,
  input,
  signal,
  untracked,
} from '@angular/core';
import { Router, RouterLink } from '@angular/router';
import { Subscription } from 'rxjs';

import { windowWords } from '../backfills/backfill-words';
import { Run } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Clock } from '../core/clock';
import { saveAnswer } from '../core/files';
import { count, duration } from '../core/format';
import { Query, query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { LogViewer } from '../logs/log-viewer';
import { RunProfile } from '../profile/run-profile';
import {
  canRetry,
  canStop,
  canUndo,
  canVerify,
  hasColumns,
  hasProfile,
  intoWords,
  isOver,
  kindWord,
  nextTry,
  shownState,
  silentSince,
  tableWord,
  tookMs,
  triggerWord,
  whyWaiting,
} from '../runs/run-words';
import { RunsPlace } from '../runs/runs-place';
import { Confirmation } from '../shared/confirm';
import { CopyButton } from '../shared/copy-button';
import { Empty } from '../shared/empty';
import { ErrorCode } from '../shared/error-code';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { Attempts } from './attempts';
import { Checks } from './checks';
import { Columns } from './columns';
import { Connections } from './connections';
import { Files } from './files';
import { howFar } from './how-far';
import { Previews } from './previews';
import { Rejections } from './rejections';
import { readReport, sharesOf } from './report';
import { RunProgressBar } from './run-progress';
import { SinceItWorked } from './since-it-worked';
import { SourceState } from './source-state';
import { stepsOf } from './steps';
import { StoppedBy } from './stopped-by';
import { Tables } from './tables';
import { Verdict } from './verdict';
import { Verification } from './verification';

const WITHOUT_STREAM_MS = 3000;

interface Tab {
  key: string;
  label: string;
  number?: number;
}

/** One run: its state, its result and its log. */
@Component({
  selector: 'app-run',
  templateUrl: './run.html',
  styleUrls: ['../shared/summary.scss', './run.scss'],
  imports: [
    Attempts,
    Checks,
    Columns,
    Connections,
    CopyButton,
    Empty,
    ErrorCode,
    Files,
    Icon,
    LogViewer,
    PageHeader,
    Previews,
    ProblemView,
    QueryState,
    Rejections,
    RouterLink,
    SinceItWorked,
    RunProfile,
    RunProgressBar,
    SourceState,
    StateBadge,
    StoppedBy,
    Tables,
    Time,
    Verdict,
    Verification,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunPage {
  private readonly api = inject(RunsApi);
  private readonly router = inject(Router);
  private readonly clock = inject(Clock);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);

  protected readonly list = inject(RunsPlace);
  protected readonly filtered = computed(() => Object.keys(this.list.filters()).length > 0);

  readonly id = input.required<string>();
  readonly tab = input<string>();

  private readonly streaming = signal(false);
  protected readonly run: Query<Run> = query(
    () => this.id(),
    (id) => this.api.find(id),
    { every: () => (this.streaming() || this.isOver() ? 0 : WITHOUT_STREAM_MS) },
  );
  protected readonly isOver = computed((): boolean => {
    const run = this.run.value();
    return run !== undefined && isOver(run);
  });
  protected readonly report = computed(() => readReport(this.run.value()?.report));
  /** The complete report. `undefined` for a run that did not finish, whose report covers only a part. */
  protected readonly whole = computed(() => {
    const report = this.report();
    return report?.partial ? undefined : report;
  });
  protected readonly ended = computed(() => {
    const run = this.run.value();
    return run === undefined ? '' : howFar(run);
  });
  protected readonly shares = computed(() => {
    const report = this.whole();
    return report === undefined ? [] : sharesOf(report);
  });
  protected readonly drawn = computed(() => this.shares().filter((share) => share.rows > 0));
  protected readonly steps = computed(() => {
    const run = this.run.value();
    return run === undefined ? [] : stepsOf(run);
  });
  protected readonly took = computed(() => {
    const run = this.run.value();
    return run === undefined ? undefined : tookMs(run, this.clock.second());
  });
  protected readonly waiting = computed(() => {
    const run = this.run.value();
    return run === undefined ? undefined : whyWaiting(run, undefined, this.clock.now());
  });
  /** When a run may start that waits for its time. */
  protected readonly startsAt = computed(() => {
    const at = this.run.value()?.not_before;
    return at && Date.parse(at) > this.clock.now() ? at : undefined;
  });
  /** When a queued run tries again. */
  protected readonly tries = computed(() => {
    const run = this.run.value();
    return run === undefined ? undefined : nextTry(run, this.clock.second());
  });
  protected readonly silent = computed(() => {
    const run = this.run.value();
    return run === undefined ? undefined : silentSince(run);
  });
  protected readonly progress = computed(() => this.run.value()?.progress ?? undefined);
  protected readonly tabs = computed((): Tab[] => {
    const run = this.run.value();
    const columns = { key: 'columns', label: 'Columns', number: this.whole()?.columns.length };
    return [
      { key: 'result', label: 'Result' },
      ...(run === undefined || hasColumns(run.kind) ? [columns] : []),
      ...(run !== undefined && hasProfile(run) && !this.whole()?.tables.length
        ? [{ key: 'profile', label: 'Profile' }]
        : []),
      { key: 'attempts', label: 'Attempts', number: run?.epoch },
      { key: 'logs', label: 'Log' },
    ];
  });
  protected readonly shownTab = computed(
    () => this.tab() ?? (this.report() === undefined ? 'logs' : 'result'),
  );
  protected readonly submission = new Submission(this.id);

  protected readonly windowWords = windowWords;
  protected readonly shownState = shownState;
  protected readonly canStop = canStop;
  protected readonly canRetry = canRetry;
  protected readonly canUndo = canUndo;
  protected readonly canVerify = canVerify;
  protected readonly intoWords = intoWords;
  protected readonly kindWord = kindWord;
  protected readonly tableWord = tableWord;
  protected readonly triggerWord = triggerWord;
  protected readonly count = count;
  protected readonly duration = duration;

  private stream: Subscription | undefined;

  constructor() {
    effect(() => this.watch(this.id(), this.isOver()));
    inject(DestroyRef).onDestroy(() => this.stream?.unsubscribe());
    inject(Shortcuts).offer(
      { keys: 'r', does: 'Reload the run', where: 'this page', run: () => this.run.reload() },
      { keys: 's', does: 'Stop the run', where: 'this page', run: () => this.stop() },
    );
  }

  protected stop(): void {
    const run = this.run.value();
    if (run === undefined || !canStop(run)) return;
    this.confirmation
      .ask({
        title: 'Stop this run?',
        words: 'The run stops at its next batch. No rows stay half loaded, and you can retry it later.',
        yes: 'Stop the run',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) this.submission.send(this.api.stop(run.id), (changed) => this.keep(changed));
      });
  }

  protected retry(): void {
    this.submission.send(this.api.retry(this.id()), (fresh) => {
      this.toaster.say('Started again as a new run');
      void this.router.navigate(['/runs', fresh.id]);
    });
  }

  protected verify(): void {
    this.submission.send(this.api.verify(this.id()), (fresh) => {
      this.toaster.say('Verification started as a run of its own');
      void this.router.navigate(['/runs', fresh.id]);
    });
  }

  protected undo(): void {
    this.confirmation
      .ask({
        title: 'Undo this run?',
        words: 'A new run removes exactly the rows that this run added. They can be loaded again afterwards.',
        yes: 'Undo the run',
        danger: true,
      })
      .subscribe((yes) => {
        if (!yes) return;
        this.submission.send(
          this.api.undo(this.id()),
          (fresh) => void this.router.navigate(['/runs', fresh.id]),
        );
      });
  }

  protected csv(): void {
    this.submission.send(this.api.csv(this.id()), (answer) => saveAnswer(answer, 'combined.csv'));
  }

  private watch(id: string, over: boolean): void {
    this.stream?.unsubscribe();
    this.stream = undefined;
    untracked(() => this.streaming.set(false));
    if (over) return;
    this.stream = this.api.watch(id).subscribe({
      next: (event) => {
        if (event.kind === 'run') this.keep(event.run);
        else if (event.kind !== 'log') this.streaming.set(event.kind === 'open');
      },
      complete: () => this.run.reload(),
      error: () => this.streaming.set(false),
    });
  }

  private keep(run: Run): void {
    this.run.patch((known) => (known.id === run.id ? { ...known, ...run } : known));
  }
}
