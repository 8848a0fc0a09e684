import { ChangeDetectionStrategy, Component, computed, inject, signal, viewChild } from '@angular/core';
import { Router, RouterLink } from '@angular/router';
import { Observable, map, switchMap, tap } from 'rxjs';

import { ConfigsApi } from '../core/api/configs';
import { RunsApi } from '../core/api/runs';
import { SchedulesApi } from '../core/api/schedules';
import { plural } from '../core/format';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { EditorHints } from '../editor/editor-hints';
import { YamlEditor } from '../editor/yaml-editor';
import { CheckResult } from '../new-job/check-result';
import { Hindrance } from '../new-job/hindrance';
import { JobText } from '../new-job/job-text';
import { Outcome } from '../new-job/outcome';
import { Previews } from '../run/previews';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { ColumnsStep } from './columns-step';
import { ConfigForm } from './config-form';
import { ScheduleStep } from './schedule-step';
import { SecretNames } from './secret-names';
import { SourceLook, findings, useFindings } from './source-look';
import { SourceStep } from './source-step';
import { TargetStep } from './target-step';
import { whenItRuns } from './timing';

/** The text with which the page begins. */
const FIRST = `# The forms write this text, and show what you change in it.
name: ""
sources:
  - type: local
    path: ""
target:
  table: ""
`;

/** The page that makes a pipeline by clicking. The YAML stands beside the forms and says the same at any moment. */
@Component({
  selector: 'app-new-pipeline',
  templateUrl: './new-pipeline.html',
  styleUrl: './new-pipeline.scss',
  imports: [
    CheckResult,
    ColumnsStep,
    Hindrance,
    Icon,
    Outcome,
    PageHeader,
    Previews,
    ProblemView,
    RouterLink,
    ScheduleStep,
    SourceStep,
    TargetStep,
    EditorHints,
    YamlEditor,
  ],
  providers: [JobText, ConfigForm, SourceLook, SecretNames],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NewPipeline {
  private readonly configs = inject(ConfigsApi);
  private readonly runs = inject(RunsApi);
  private readonly schedules = inject(SchedulesApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  protected readonly text = inject(JobText);
  protected readonly form = inject(ConfigForm);
  protected readonly look = inject(SourceLook);
  protected readonly editor = viewChild(YamlEditor);

  protected readonly first = FIRST;
  protected readonly schema = query(
    () => ({}),
    () => this.configs.schema(),
  );
  protected readonly isInbox = computed(() => this.form.get(['sources', 0, 'type']) === 'inbox');
  /** What the preview found out about an API or a file, and the YAML does not say yet. */
  protected readonly found = computed(() => findings(this.text.yaml(), this.look.previews()));
  /** Id of the plan that was started here. */
  protected readonly plan = signal<string | undefined>(undefined);
  protected readonly submission = new Submission();
  /** The button whose request is under way. */
  private readonly pressed = signal<string | undefined>(undefined);
  protected readonly busy = computed(() => (this.submission.busy() ? this.pressed() : undefined));
  protected readonly plural = plural;

  constructor() {
    if (!this.text.restored()) this.text.take(FIRST);
  }

  protected useFindings(): void {
    this.form.change((text) => useFindings(text, this.look.previews()));
  }

  protected tryPlan(): void {
    this.plan.set(undefined);
    const yaml = this.text.yaml();
    const started = this.configs.upload(yaml).pipe(
      // The text is saved as a version, but the draft stays, because a plan does not finish the work on it.
      tap(() => this.text.saved.set(yaml)),
      switchMap((kept) => this.runs.start({ config_id: kept.id, kind: 'plan' })),
    );
    this.act('plan', started, (run) => this.plan.set(run.id));
  }

  /** Stores the text, runs it, and begins its schedule. */
  protected run(): void {
    const yaml = this.text.yaml();
    this.act('run', this.runs.trigger(yaml, true), (started) => {
      this.text.done(yaml);
      this.toaster.say(
        started.schedule_id ? 'Run started. Its schedule is active from now on.' : 'Run started.',
      );
      void this.router.navigate(['/runs', started.run_id]);
    });
  }

  /** Stores the text and begins its schedule, without a run now. */
  protected save(): void {
    const yaml = this.text.yaml();
    const saved = this.configs.upload(yaml).pipe(
      // Also when nothing repeats, because that ends the schedule of the version before.
      switchMap((kept) =>
        this.schedules.create({ config_id: kept.id }).pipe(map((schedule) => ({ kept, schedule }))),
      ),
    );
    this.act('save', saved, ({ kept, schedule }) => {
      this.text.done(yaml);
      const words = whenItRuns(schedule);
      this.toaster.say(`Saved as version ${kept.version}. ${words}`);
      void this.router.navigate(['/pipelines']);
    });
  }

  private act<T>(what: string, call: Observable<T>, done: (answer: T) => void): void {
    this.pressed.set(what);
    this.submission.send(call, done);
  }
}
