import {
  ChangeDetectionStrategy,
  Component,
  DOCUMENT,
  DestroyRef,
  computed,
  effect,
  inject,
  input,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { toObservable, toSignal } from '@angular/core/rxjs-interop';
import { MatDialog } from '@angular/material/dialog';
import { MatMenuModule } from '@angular/material/menu';
import { Router, RouterLink } from '@angular/router';
import { Observable, catchError, debounceTime, map, of, startWith, switchMap, tap } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { FieldProblem, StartKind, Schedule, UploadAnswer, Validation } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { Draft } from '../core/draft';
import { refusal } from '../core/files';
import { Problem, toProblem } from '../core/problem';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Remark, YamlEditor } from '../editor/yaml-editor';
import { cronWords } from '../schedules/cron-words';
import { Confirmation } from '../shared/confirm';
import { FileDrop } from '../shared/file-drop';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { CheckResult } from './check-result';
import { Outcome } from './outcome';
import { ScheduleDialog } from './schedule-dialog';
import { StartFromUrl } from './start-from-url';
import { TEMPLATES } from './templates';

const TYPING_MS = 350;

/** The message after a schedule was created. */
function scheduledWords(schedule: Schedule): string {
  if (schedule.state === 'missed' || schedule.state === 'done')
    return `No run is scheduled: ${schedule.reason ?? 'the schedule has no future times'}`;
  return 'Scheduled';
}

/** The result of checking the text on the server, or why there is no result. */
export type Verdict = { validation: Validation } | { problem: Problem } | 'checking' | 'empty';

/** The page that makes a job from a YAML: write it or drop a file, see what the server finds in it, test it, run it or schedule it. */
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
    StartFromUrl,
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
  private readonly confirmation = inject(Confirmation);
  private readonly draft = inject(Draft);
  protected readonly editor = viewChild(YamlEditor);

  /** Config version to begin with. */
  readonly from = input<string>();

  protected readonly yaml = signal('');
  /** The text as it was loaded from a template, a file or a version, or last uploaded. It can be loaded again from there. */
  private readonly saved = signal('');
  protected readonly unsaved = computed(() => this.yaml().trim() !== '' && this.yaml() !== this.saved());
  /** Whether the text is a draft of an earlier visit. */
  protected readonly restored = signal(false);
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
  /** What happens when the job is run now, in words. */
  protected readonly follows = computed(() => {
    const timing = this.validation()?.timing;
    if (!timing) return 'Runs immediately.';
    const again = [];
    if (timing.monitor) again.push('again whenever its sources change');
    if (timing.cron)
      again.push(`at the times of its schedule (${cronWords(timing.cron).replace(/\.$/, '')})`);
    return again.length === 0 ? 'Runs once, immediately.' : `Runs immediately, then ${again.join(' and ')}.`;
  });
  protected readonly runnable = computed(() => this.validation()?.runnable === true);
  protected readonly submission = new Submission();
  /** The button whose request is under way. */
  private readonly pressed = signal<string | undefined>(undefined);
  protected readonly busy = computed(() => (this.submission.busy() ? this.pressed() : undefined));
  /** Id of the plan or connection test that was started here. */
  protected readonly trial = signal<string | undefined>(undefined);

  constructor() {
    const kept = this.draft.read();
    if (kept !== undefined && kept.yaml.trim() !== '') {
      this.yaml.set(kept.yaml);
      this.restored.set(true);
    }
    effect(() => {
      const source = this.source.value();
      // A draft that was started from this version is kept, because it is the newer text.
      if (source === undefined || (untracked(this.restored) && kept?.from === String(source.id))) return;
      untracked(() => this.begin(source.yaml_content, `version ${source.version}`));
    });
    effect(() => {
      if (this.unsaved()) this.draft.keep({ yaml: this.yaml(), from: this.from() });
      else if (this.yaml().trim() === '') this.draft.forget();
    });
    const leaving = (event: BeforeUnloadEvent): void => {
      if (this.unsaved()) event.preventDefault();
    };
    const window = inject(DOCUMENT).defaultView;
    window?.addEventListener('beforeunload', leaving);
    inject(DestroyRef).onDestroy(() => window?.removeEventListener('beforeunload', leaving));
    effect(() => {
      const problem = this.source.problem();
      if (problem !== undefined) this.submission.show(problem);
    });
    inject(Shortcuts).offer({
      keys: 'e',
      does: 'Write in the editor',
      where: 'this page',
      run: () => this.editor()?.focus(),
    });
  }

  protected async open(file: File): Promise<void> {
    this.begin(await file.text(), file.name);
  }

  /** Puts a text into the editor. Asks first when text that was not uploaded would be lost. */
  protected begin(text: string, what: string): void {
    const take = (): void => {
      this.saved.set(text);
      this.yaml.set(text);
      this.restored.set(false);
      this.draft.forget();
    };
    if (!this.unsaved()) return take();
    this.confirmation
      .ask({
        title: 'Replace your text?',
        words: `The editor contains text that was not uploaded. It is lost when you start from ${what}.`,
        yes: 'Replace it',
        danger: true,
      })
      .subscribe((yes) => {
        if (yes) take();
      });
  }

  /** Takes the config that a look at a URL proposed, and shows it. */
  protected propose(text: string): void {
    this.begin(text, 'the proposal');
    // Otherwise a question is open, which has the focus.
    if (this.yaml() === text) this.editor()?.focus();
  }

  protected discard(): void {
    this.confirmation
      .ask({
        title: 'Discard the draft?',
        words: 'The editor is emptied. The text was not uploaded, so it cannot be restored.',
        yes: 'Discard it',
        danger: true,
      })
      .subscribe((yes) => {
        if (!yes) return;
        this.yaml.set('');
        this.restored.set(false);
        this.draft.forget();
      });
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
    const yaml = this.yaml();
    this.act('run', this.runs.trigger(yaml, now), (started) => {
      this.done(yaml);
      this.toaster.say(
        started.schedule_id ? 'Run started. Its schedule is active from now on.' : 'Run started.',
      );
      void this.router.navigate(['/runs', started.run_id]);
    });
  }

  /** Plans, or tests the connections, without leaving the page. */
  protected tryOut(kind: StartKind): void {
    this.trial.set(undefined);
    const yaml = this.yaml();
    const started = this.configs.upload(yaml).pipe(
      // The text is saved as a version, but the draft stays, because a plan or a check does not finish the work on it.
      tap(() => this.saved.set(yaml)),
      switchMap((kept) => this.runs.start({ config_id: kept.id, kind })),
    );
    this.act(kind, started, (run) => this.trial.set(run.id));
  }

  protected keep(): void {
    const yaml = this.yaml();
    this.act('keep', this.configs.upload(yaml), (kept) => {
      this.done(yaml);
      this.tell(kept);
    });
  }

  protected schedule(): void {
    const yaml = this.yaml();
    this.act('schedule', this.configs.upload(yaml), (kept) => {
      this.done(yaml);
      this.dialog
        .open<ScheduleDialog, UploadAnswer, Schedule | ''>(ScheduleDialog, { data: kept, width: '560px' })
        .afterClosed()
        .subscribe((schedule) => {
          // A dialog that was cancelled has no result, or an empty text.
          if (!schedule) return;
          this.toaster.say(scheduledWords(schedule));
          void this.router.navigate(['/schedules'], { queryParams: { name: schedule.name } });
        });
    });
  }

  /** Called once the server has stored the text as a version. */
  private done(yaml: string): void {
    this.saved.set(yaml);
    this.restored.set(false);
    this.draft.forget();
  }

  private tell(kept: UploadAnswer): void {
    this.toaster.say(
      kept.created
        ? `Saved as version ${kept.version}.`
        : `This text is already stored as version ${kept.version}.`,
    );
  }

  private act<T>(what: string, call: Observable<T>, done: (answer: T) => void): void {
    this.pressed.set(what);
    this.submission.send(call, done);
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
