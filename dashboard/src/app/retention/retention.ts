import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { SystemApi } from '../core/api/system';
import { bytes, count, plural } from '../core/format';
import { query } from '../core/query';
import { Shortcuts } from '../core/shortcuts';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { behindWords, kindName, settingsOf } from './retention-words';

const AGAIN_MS = 30_000;

/** How much is kept of what, for how long, and when workers last deleted what is old. */
@Component({
  selector: 'app-retention',
  templateUrl: './retention.html',
  styleUrl: './retention.scss',
  imports: [Icon, PageHeader, QueryState, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Retention {
  private readonly api = inject(SystemApi);

  protected readonly list = query(
    () => ({}),
    () => this.api.retention(),
    { every: AGAIN_MS },
  );
  protected readonly behind = computed(() => behindWords(this.list.value()?.data ?? []));

  protected readonly kindName = kindName;
  protected readonly settingsOf = settingsOf;
  protected readonly count = count;
  protected readonly plural = plural;
  protected readonly bytes = bytes;

  constructor() {
    inject(Shortcuts).offerReload(this.list);
  }
}
