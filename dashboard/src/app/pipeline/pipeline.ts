import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { PipelinesApi } from '../core/api/pipelines';
import { RunsApi } from '../core/api/runs';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { pauseAction } from '../pipelines/pause-words';
import { PipelineActions } from '../pipelines/pipeline-actions';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { CheckHistory } from './check-history';
import { LineageView } from './lineage';
import { LoadedColumns } from './loaded-columns';
import { Messages } from './messages';
import { RunTimes } from './run-times';
import { PipelineSchedule } from './schedule';
import { PipelineStatus } from './status';
import { Versions } from './versions';

const AGAIN_MS = 5000;
const TABS = [
  { key: 'status', label: 'Status' },
  { key: 'runs', label: 'Runs' },
  { key: 'checks', label: 'Checks' },
  { key: 'versions', label: 'Versions' },
  { key: 'schedule', label: 'Schedule' },
  { key: 'columns', label: 'Columns' },
  { key: 'lineage', label: 'Lineage' },
  { key: 'notifications', label: 'Notifications' },
] as const;

/** One pipeline: how it stands, its runs and versions, when it runs, and what it is made of. */
@Component({
  selector: 'app-pipeline',
  templateUrl: './pipeline.html',
  imports: [
    CheckHistory,
    Icon,
    LineageView,
    LoadedColumns,
    Messages,
    PageHeader,
    PipelineSchedule,
    PipelineStatus,
    ProblemView,
    QueryState,
    RouterLink,
    RunTimes,
    Versions,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PipelinePage {
  private readonly api = inject(PipelinesApi);
  private readonly runs = inject(RunsApi);
  private readonly router = inject(Router);
  private readonly toaster = inject(Toaster);
  protected readonly act = inject(PipelineActions);

  /** The whole name, which may have spaces and slashes. */
  readonly name = input.required<string>();
  readonly tab = input<string>();

  protected readonly pipeline = query(
    () => this.name(),
    (name) => this.api.find(name),
    { every: AGAIN_MS },
  );
  protected readonly tabs = TABS;
  protected readonly shownTab = computed(() => TABS.find((one) => one.key === this.tab())?.key ?? 'status');
  protected readonly submission = new Submission(this.name);
  protected readonly pauseAction = pauseAction;

  constructor() {
    inject(Shortcuts).offerReload(this.pipeline);
  }

  protected run(config_id: number): void {
    this.submission.send(this.runs.start({ config_id }), (run) => {
      this.toaster.say('Run started.');
      void this.router.navigate(['/runs', run.id]);
    });
  }

  protected pauseOrResume(): void {
    const now = this.pipeline.value();
    if (now === undefined) return;
    this.act.pauseOrResume(now).subscribe((pause) => {
      this.toaster.say(`${now.name} is ${pause ? 'paused' : 'no longer paused'}`);
      this.pipeline.patch((known) => ({ ...known, pause }));
      this.pipeline.reload();
    });
  }
}
