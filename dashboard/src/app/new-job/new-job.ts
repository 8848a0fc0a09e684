import {
  ChangeDetectionStrategy,
  Component,
  computed,
  effect,
  inject,
  input,
  signal,
  viewChild,
} from '@angular/core';
import { toObservable, toSignal } from '@angular/core/rxjs-interop';
import { MatDialog } from '@angular/material/dialog';
import { MatMenuModule } from '@angular/material/menu';
import { Router, RouterLink } from '@angular/router';
import { Observable, catchError, debounceTime, finalize, map, of, startWith, switchMap } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { FieldProblem, StartKind, Schedule, UploadAnswer, Validation } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { refusal } from '../core/files';
import { Problem, toProblem } from '../core/problem';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Toaster } from '../core/toaster';
import { Remark, YamlEditor } from '../editor/yaml-editor';
import { FileDrop } from '../shared/file-drop';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { CheckResult } from './check-result';
import { Outcome } from './outcome';
import { ScheduleDialog } from './schedule-dialog';
import { TEMPLATES } from './templates';

const TYPING_MS = 350;

/** A verdict of the server, or why there is none. */
export type Verdict = { validation: Validation } | { problem: Problem } | 'checking' | 'empty';

/** From a YAML to a run: write or drop it, see what the server thinks of it, try it, run it, schedule it. */
@Component({
  selector: 'app-new-job',
  templateUrl: './new-job.html',
  styleUrl: './new-job.scss',
  imports: [
    CheckResult,
    FileDrop,
    Icon,
    MatMenuModule,
    Outcome,
    PageHeader,
    ProblemView,
    RouterLink,
    YamlEditor,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NewJob {
  private readonly configs = inject(ConfigsApi);
  private readonly runs = inject(RunsApi);
  private readonly router = inject(Router);
  private readonly dialog = inject(MatDialog);
  private readonly toaster = inject(Toaster);
  protected readonly editor = viewChild(YamlEditor);

  /** Config version to begin with. */
  readonly from = input<string>();

  protected readonly yaml = signal('');
  protected readonly templates = TEMPLATES;
  protected readonly begun = computed(() => this.yaml().trim() !== '');
  protected readonly schema = query(
    () => ({}),
    () => this.configs.schema(),
  );
  private readonly source = query(
    () => this.from(),
    (from) => this.configs.view(Number(from)),
  );
  protected readonly verdict = toSignal(
    toObservable(this.yaml).pipe(
      debounceTime(TYPING_MS),
      switchMap((yaml) => this.check(yaml)),
    ),
    { initialValue: 'empty' as Verdict },
  );
  protected readonly validation = computed(() => {
    const verdict = this.verdict();
    return typeof verdict === 'object' && 'validation' in verdict ? verdict.validation : undefined;
  });
  protected readonly remarks = computed<Remark[]>(() => {
    const found = this.validation();
    if (found === undefined) return [];
    const remark =
      (severity: Remark['severity']) =>
      ({ line, column, message, pointer }: FieldProblem): Remark => ({
        severity,
        message,
        pointer,
        line: line ?? undefined,
        column: column ?? undefined,
      });
    return [...found.problems.map(remark('error')), ...found.warnings.map(remark('warning'))];
  });
  protected readonly runnable = computed(() => this.validation()?.runnable === true);
  /** What is being done right now. */
  protected readonly busy = signal<string | undefined>(undefined);
  protected readonly problem = signal<Problem | undefined>(undefined);
  /** A plan or connection test that was asked for here. */
  protected readonly trial = signal<string | undefined>(undefined);

  constructor() {
    effect(() => {
      const source = this.source.value();
      if (source !== undefined) this.yaml.set(source.yaml_content);
    });
    effect(() => {
      const problem = this.source.problem();
      if (problem !== undefined) this.problem.set(problem);
    });
    inject(Shortcuts).offer({
      keys: 'e',
      does: 'Write in the editor',
      where: 'this page',
      run: () => this.editor()?.focus(),
    });
  }

  protected async open(file: File): Promise<void> {
    this.yaml.set(await file.text());
  }

  protected drop(event: DragEvent): void {
    const file = event.dataTransfer?.files[0];
    if (file === undefined) return;
    event.preventDefault();
    const wrong = refusal(file);
    if (wrong === undefined) void this.open(file);
    else this.toaster.say(wrong);
  }

  protected run(now: boolean): void {
    this.act('run', this.runs.trigger(this.yaml(), now), (started) => {
      this.toaster.say(started.schedule_id ? 'Started; its sources are watched from now on' : 'Started');
      void this.router.navigate(['/runs', started.run_id]);
    });
  }

  /** Plans, or tests the connections, without leaving the page. */
  protected tryOut(kind: StartKind): void {
    this.trial.set(undefined);
    const started = this.configs
      .upload(this.yaml())
      .pipe(switchMap((kept) => this.runs.start({ config_id: kept.id, kind })));
    this.act(kind, started, (run) => this.trial.set(run.id));
  }

  protected keep(): void {
    this.act('keep', this.configs.upload(this.yaml()), (kept) => this.tell(kept));
  }

  protected schedule(): void {
    this.act('schedule', this.configs.upload(this.yaml()), (kept) => {
      this.dialog
        .open<ScheduleDialog, UploadAnswer, Schedule>(ScheduleDialog, { data: kept, width: '560px' })
        .afterClosed()
        .subscribe((schedule) => {
          if (schedule === undefined) return;
          this.toaster.say('Scheduled');
          void this.router.navigate(['/schedules'], { queryParams: { name: schedule.name } });
        });
    });
  }

  private tell(kept: UploadAnswer): void {
    this.toaster.say(
      kept.created ? `Kept as version ${kept.version}` : `This is version ${kept.version} already`,
    );
  }

  private act<T>(what: string, call: Observable<T>, done: (answer: T) => void): void {
    this.busy.set(what);
    this.problem.set(undefined);
    call.pipe(finalize(() => this.busy.set(undefined))).subscribe({
      next: done,
      error: (error: unknown) => this.problem.set(toProblem(error)),
    });
  }

  private check(yaml: string): Observable<Verdict> {
    if (yaml.trim() === '') return of<Verdict>('empty');
    return this.configs.validate(yaml).pipe(
      map((validation): Verdict => ({ validation })),
      catchError((error: unknown) => of<Verdict>({ problem: toProblem(error) })),
      startWith<Verdict>('checking'),
    );
  }
}
