import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { BackfillsApi } from '../core/api/backfills';
import { count } from '../core/format';
import { paged } from '../core/paged';
import { Shortcuts } from '../core/shortcuts';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { percentOf, progressWords, windowWords } from './backfill-words';

const LIMIT = 50;
const AGAIN_MS = 5000;

/** The backfills, newest first. One is started from its pipeline. */
@Component({
  selector: 'app-backfills',
  templateUrl: './backfills.html',
  styleUrl: './backfills.scss',
  imports: [Empty, Icon, More, PageHeader, QueryState, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Backfills {
  private readonly api = inject(BackfillsApi);

  /** Only of this pipeline; from the address. */
  readonly name = input<string>();

  protected readonly list = paged(
    () => ({ name: this.name() }),
    ({ name }, cursor) => this.api.list(name, LIMIT, cursor),
    (backfill) => backfill.id,
    { every: AGAIN_MS },
  );

  protected readonly windowWords = windowWords;
  protected readonly progressWords = progressWords;
  protected readonly percentOf = percentOf;
  protected readonly count = count;

  constructor() {
    inject(Shortcuts).offerReload(this.list.first);
  }
}
