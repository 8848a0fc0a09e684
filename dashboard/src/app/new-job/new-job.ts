import {
  ChangeDetectionStrategy,
  Component,
  computed,
  effect,
  inject,
  input,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { MatDialog } from '@angular/material/dialog';
import { MatMenuModule } from '@angular/material/menu';
import { Router, RouterLink } from '@angular/router';
import { Observable, switchMap, tap } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { StartKind, Schedule, UploadAnswer } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { refusal } from '../core/files';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { EditorHints } from '../editor/editor-hints';
import { YamlEditor } from '../editor/yaml-editor';
import { FileDrop } from '../shared/file-drop';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { CheckResult } from './check-result';
import { JobText } from './job-text';
import { Outcome } from './outcome';
import { ScheduleDialog } from './schedule-dialog';
import { StartFromUrl } from './start-from-url';
import { TEMPLATES } from './templates';

/** The message after a schedule was created. */
function scheduledWords(schedule: Schedule): string {
  if (schedule.state === 'missed' || schedule.state === 'done')
    return `No run is scheduled: ${schedule.reason ?? 'the schedule has no future times'}`;
  return 'Scheduled';
}

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
    EditorHints,
    YamlEditor,
  ],
  providers: [JobText],
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

  protected readonly text = inject(JobText);
  protected readonly yaml = this.text.yaml;
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
  protected readonly runnable = this.text.runnable;
  protected readonly submission = new Submission();
  /** The button whose request is under way. */
  private readonly pressed = signal<string | undefined>(undefined);
  protected readonly busy = computed(() => (this.submission.busy() ? this.pressed() : undefined));
  /** Id of the plan or connection test that was started here. */
  protected readonly trial = signal<string | undefined>(undefined);

  constructor() {
    effect(() => this.text.from.set(this.from()));
    effect(() => {
      const source = this.source.value();
      // A draft that was started from this version is kept, because it is the newer text.
      const isNewer = untracked(this.text.restored) && this.text.kept?.from === String(source?.id);
      if (source === undefined || isNewer) return;
      untracked(() => this.text.begin(source.yaml_content, `version ${source.version}`));
    });
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
    this.text.begin(await file.text(), file.name);
  }

  /** Takes the config that a look at a URL proposed, and shows it. */
  protected propose(text: string): void {
    this.text.begin(text, 'the proposal');
    // Otherwise a question is open, which has the focus.
    if (this.yaml() === text) this.editor()?.focus();
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
      this.text.done(yaml);
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
      tap(() => this.text.saved.set(yaml)),
      switchMap((kept) => this.runs.start({ config_id: kept.id, kind })),
    );
    this.act(kind, started, (run) => this.trial.set(run.id));
  }

  protected keep(): void {
    const yaml = this.yaml();
    this.act('keep', this.configs.upload(yaml), (kept) => {
      this.text.done(yaml);
      this.tell(kept);
    });
  }

  protected schedule(): void {
    const yaml = this.yaml();
    this.act('schedule', this.configs.upload(yaml), (kept) => {
      this.text.done(yaml);
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
}
