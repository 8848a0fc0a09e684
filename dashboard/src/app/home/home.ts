import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { RouterLink } from '@angular/router';

import { SharesApi } from '../core/api/shares';
import { SystemApi } from '../core/api/system';
import { count } from '../core/format';
import { paged } from '../core/paged';
import { query } from '../core/query';
import { Session } from '../core/session';
import { CoverageBar } from '../coverage/coverage-bar';
import { Icon } from '../shared/icon';
import { FreshnessBadge } from '../shares/freshness';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';

const LIMIT = 50;

/** The start page of analysts. */
@Component({
  selector: 'app-home',
  templateUrl: './home.html',
  styleUrl: './home.scss',
  imports: [CoverageBar, FreshnessBadge, Icon, More, PageHeader, QueryState, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Home {
  private readonly api = inject(SystemApi);
  private readonly shares = inject(SharesApi);
  protected readonly name = inject(Session).username;

  protected readonly shared = paged(
    () => ({}),
    (_, cursor) => this.shares.shared(LIMIT, cursor),
    (table) => table.pipeline,
  );
  protected readonly coverage = query(
    () => ({}),
    () => this.api.coverage(),
  );
  protected readonly count = count;
}
