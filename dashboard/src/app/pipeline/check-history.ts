import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { PipelineDetail } from '../core/api/models';
import { RunsApi } from '../core/api/runs';
import { clockTime, count } from '../core/format';
import { Preferences } from '../core/preferences';
import { query } from '../core/query';
import { CHECK_STATES } from '../run/check-words';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { IconName } from '../shared/icon-names';
import { QueryState } from '../shared/query-state';
import { CheckMark, markWords, stripsOf } from './check-strips';

/** Runs that a strip has. */
const RUNS = 20;
const AGAIN_MS = 60_000;

/** The results of each check in the newest runs of a pipeline, as a strip whose marks lead to the runs. */
@Component({
  selector: 'app-check-history',
  templateUrl: './check-history.html',
  styleUrl: './check-history.scss',
  imports: [Empty, Icon, QueryState, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CheckHistory {
  private readonly api = inject(RunsApi);
  private readonly preferences = inject(Preferences);

  readonly pipeline = input.required<PipelineDetail>();

  /** Asked again when a run began or ended, and every minute, because reports are too long to be asked for every few seconds. */
  private readonly asked = computed(() => {
    const { name, last_run: last, loaded_run_id: loaded } = this.pipeline();
    return { name, last: last?.id, state: last?.state, loaded };
  });
  protected readonly runs = query(
    this.asked,
    ({ name }) => this.api.withReports({ name, kind: 'run', state: 'succeeded,failed,stopped' }, RUNS),
    { every: AGAIN_MS, identity: ({ name }) => name },
  );
  protected readonly strips = computed(() => stripsOf(this.runs.value()?.data ?? []));

  /** Which runs the strips are about. */
  protected readonly footWords = computed(() => {
    const number = this.runs.value()?.data.length ?? 0;
    return number === 1
      ? 'The only run that is over.'
      : `From the newest ${count(number)} runs that are over. A dash is a run that ended before this check, or had another config.`;
  });
  protected readonly legend = Object.values(CHECK_STATES).filter((look) => look !== undefined);
  protected readonly most = RUNS;

  /** What a mark says: the result, the rows, and when its run was requested. */
  protected words(mark: CheckMark): string {
    const at = clockTime(Date.parse(mark.at), this.preferences.current().zone);
    return `${markWords(mark)}: run of ${at}`;
  }

  protected icon({ state }: CheckMark): IconName {
    return state === undefined ? 'minus' : (CHECK_STATES[state]?.icon ?? 'info');
  }

  protected tone({ state }: CheckMark): string {
    return state === undefined ? '' : (CHECK_STATES[state]?.tone ?? '');
  }
}
