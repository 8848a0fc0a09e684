import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { RouterLink } from '@angular/router';

import { SystemApi } from '../core/api/system';
import { count } from '../core/format';
import { query } from '../core/query';
import { Session } from '../core/session';
import { CoverageBar } from '../coverage/coverage-bar';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';

/** The start page of analysts. */
@Component({
  selector: 'app-home',
  templateUrl: './home.html',
  styleUrl: './home.scss',
  imports: [CoverageBar, Icon, PageHeader, QueryState, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Home {
  private readonly api = inject(SystemApi);
  protected readonly name = inject(Session).username;

  protected readonly coverage = query(
    () => ({}),
    () => this.api.coverage(),
  );
  protected readonly count = count;
}
