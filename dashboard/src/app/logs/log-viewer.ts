import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  afterRenderEffect,
  computed,
  effect,
  inject,
  input,
  linkedSignal,
  model,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { RouterLink } from '@angular/router';
import { Observable, Subscription, filter as only, map } from 'rxjs';

import { LogFilter, LogsApi } from '../core/api/logs';
import { LogLine } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Clock } from '../core/clock';
import { download } from '../core/files';
import { count } from '../core/format';
import { Preferences } from '../core/preferences';
import { Problem, toProblem } from '../core/problem';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Toaster } from '../core/toaster';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { classicLine, mergeLines, passes } from './log-buffer';
import { LogRow } from './log-row';

/** How new lines are loaded. */
export type Following = 'auto' | 'live' | 'paused';

const LINES = 100;
const AGAIN_MS = 10_000;
const AT_END_PX = 40;
const LEVELS: Record<string, string> = {
  '': 'All levels',
  'ERROR,WARN,INFO': 'Info and above',
  'ERROR,WARN': 'Warnings and errors',
  ERROR: 'Errors only',
};

/** The latest lines of the log: refreshed every 10 seconds, live, or paused. */
@Component({
  selector: 'app-log-viewer',
  templateUrl: './log-viewer.html',
  styleUrl: './log-viewer.scss',
  imports: [Empty, Icon, LogRow, ProblemView, QueryState, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class LogViewer {
  private readonly api = inject(LogsApi);
  private readonly runs = inject(RunsApi);
  private readonly clock = inject(Clock);
  private readonly toaster = inject(Toaster);
  private readonly scroller = viewChild<ElementRef<HTMLElement>>('scroller');
  protected readonly preferences = inject(Preferences);

  /** Only lines of this run. */
  readonly run = input<string>();
  /** Only lines that were written while this request was answered. */
  readonly request = input<string>();
  /** Whether the filter by run cannot be removed. */
  readonly fixedRun = input(false);
  readonly level = model('');
  readonly text = model('');
  readonly following = model<Following>('auto');

  protected readonly levels = Object.entries(LEVELS);
  private readonly filter = computed<LogFilter>(() => ({
    run_id: this.run(),
    request_id: this.request(),
    level: this.level(),
    text: this.text().trim(),
  }));

  // Lines of one filter are never shown under another one.
  protected readonly lines = linkedSignal<unknown, readonly LogLine[]>({
    source: this.filter,
    computation: () => [],
  });
  protected readonly atEnd = linkedSignal<unknown, boolean>({ source: this.filter, computation: () => true });
  protected readonly unseen = linkedSignal<unknown, number>({ source: this.filter, computation: () => 0 });
  protected readonly lost = signal(false);
  protected readonly older = linkedSignal<unknown, string | null | undefined>({
    source: this.filter,
    computation: () => undefined,
  });
  protected readonly olderProblem = linkedSignal<unknown, Problem | undefined>({
    source: this.filter,
    computation: () => undefined,
  });

  protected readonly newest = query(this.filter, (filter) => this.api.search(filter, LINES), {
    every: () => (this.following() === 'auto' ? AGAIN_MS : 0),
  });
  protected readonly secondsLeft = computed(() => {
    const at = this.newest.at();
    if (at === undefined) return undefined;
    // The clock moves in steps, so the answer may be newer than it.
    return Math.ceil(Math.min(AGAIN_MS, Math.max(0, at + AGAIN_MS - this.clock.second())) / 1000);
  });

  private stream: Subscription | undefined;

  constructor() {
    effect(() => {
      const page = this.newest.value();
      if (page === undefined) return;
      untracked(() => {
        this.add(page.data);
        if (this.older() === undefined) this.older.set(page.next ?? null);
      });
    });
    effect(() => this.listen(this.following() === 'live' ? this.filter() : undefined));
    afterRenderEffect(() => {
      this.lines();
      if (untracked(this.atEnd)) this.toEnd();
    });
    inject(DestroyRef).onDestroy(() => this.stream?.unsubscribe());
    inject(Shortcuts).offer(
      { keys: 'r', does: 'Load new lines now', where: 'this page', run: () => this.newest.reload() },
      { keys: 'p', does: 'Pause or resume the log', where: 'this page', run: () => this.hold() },
    );
  }

  protected scrolled(element: HTMLElement): void {
    const end = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
    this.atEnd.set(end);
    if (end) this.unseen.set(0);
  }

  protected toEnd(): void {
    const element = this.scroller()?.nativeElement;
    if (element !== undefined) element.scrollTop = element.scrollHeight;
    this.unseen.set(0);
  }

  protected hold(): void {
    this.following.update((now) => (now === 'paused' ? 'auto' : 'paused'));
  }

  protected loadOlder(): void {
    const cursor = this.older();
    const element = this.scroller()?.nativeElement;
    if (!cursor || element === undefined) return;
    const fromEnd = element.scrollHeight - element.scrollTop;
    const filter = this.filter();
    this.api.search(filter, LINES, cursor).subscribe({
      next: (page) => {
        // The lines are dropped when another filter was chosen meanwhile.
        if (this.filter() !== filter) return;
        this.atEnd.set(false);
        this.lines.update((lines) => mergeLines(lines, page.data));
        this.older.set(page.next ?? null);
        this.olderProblem.set(undefined);
        // The lines in view keep their position.
        requestAnimationFrame(() => (element.scrollTop = element.scrollHeight - fromEnd));
      },
      error: (error: unknown) => this.olderProblem.set(toProblem(error)),
    });
  }

  protected async copyAll(): Promise<void> {
    await navigator.clipboard.writeText(this.asText());
    this.toaster.say(`${count(this.lines().length)} lines copied`);
  }

  protected save(): void {
    download(`elt-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.log`, `${this.asText()}\n`);
  }

  private asText(): string {
    return this.lines().map(classicLine).join('\n');
  }

  private add(fresh: readonly LogLine[]): void {
    const before = this.lines();
    const merged = mergeLines(before, fresh);
    const last = before.at(-1)?.id ?? Infinity;
    if (!this.atEnd())
      this.unseen.update((unseen) => unseen + merged.filter((line) => line.id > last).length);
    this.lines.set(merged);
  }

  private listen(filter: LogFilter | undefined): void {
    this.stream?.unsubscribe();
    this.stream = undefined;
    this.lost.set(false);
    if (filter === undefined) return;
    this.stream = this.heard(filter).subscribe({
      next: (heard) => {
        this.lost.set(heard === 'lost');
        if (heard !== 'lost' && heard !== 'open') this.add([heard]);
      },
      complete: () => this.newest.reload(),
      error: () => this.following.set('auto'),
    });
  }

  /** Lines as they are written. The page of a run already has a stream of its run, which is used for its lines too. */
  private heard(filter: LogFilter): Observable<LogLine | 'open' | 'lost'> {
    const run = this.run();
    if (!this.fixedRun() || run === undefined) return this.api.follow(filter);
    return this.runs.watch(run).pipe(
      map((event) => (event.kind === 'log' ? event.line : event.kind === 'lost' ? 'lost' : 'open')),
      only((heard) => typeof heard === 'string' || passes(heard, filter)),
    );
  }
}
