import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { PipelineDetail } from '../core/api/models';
import { QuarantineApi } from '../core/api/quarantine';
import { count, plural } from '../core/format';
import { query } from '../core/query';
import { PauseNote } from '../pipelines/pause-note';
import { pausedWhat } from '../pipelines/pause-words';
import { freshnessWords, healthOf } from '../pipelines/recent-runs';
import { intoWords, shownState } from '../runs/run-words';
import { Icon } from '../shared/icon';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { EVENT_WORDS } from './event-words';

/** How a pipeline stands: its health, its last and next run, and what waits for someone. */
@Component({
  selector: 'app-pipeline-status',
  templateUrl: './status.html',
  styleUrl: './status.scss',
  imports: [Icon, PauseNote, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PipelineStatus {
  private readonly quarantine = inject(QuarantineApi);

  readonly pipeline = input.required<PipelineDetail>();

  protected readonly health = computed(() => healthOf(this.pipeline()));
  protected readonly lastState = computed(() => {
    const { last_run: last, pause } = this.pipeline();
    return last ? shownState({ ...last, kind: 'run', waits_for: pause && pausedWhat(pause) }) : undefined;
  });
  /** Rows in the quarantine of its table. Asked once, because the server asks the target for it. */
  private readonly config = computed(() =>
    this.pipeline().loaded_run_id || this.pipeline().rejected_rows ? this.pipeline().config_id : undefined,
  );
  protected readonly rejected = query(this.config, (config_id) =>
    this.quarantine.list({ config_id, open: true }, 1),
  );
  protected readonly open = computed(() => {
    if (this.config() === undefined) return 'none so far';
    const page = this.rejected.value();
    if (page === undefined) return this.rejected.problem() ? 'not known: the target did not answer' : '…';
    return page.total === null || page.total === undefined
      ? 'too many to count quickly'
      : plural(page.total, 'row');
  });

  protected readonly eventWords = EVENT_WORDS;
  protected readonly freshnessWords = freshnessWords;
  protected readonly intoWords = intoWords;
  protected readonly count = count;
}
