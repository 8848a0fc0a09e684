import { ChangeDetectionStrategy, Component, inject, input, numberAttribute } from '@angular/core';
import { RouterLink } from '@angular/router';

import { ConfigsApi } from '../core/api/configs';
import { query } from '../core/query';
import { YamlDiff } from '../editor/yaml-diff';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

/** Two versions side by side, secrets masked. */
@Component({
  selector: 'app-compare',
  templateUrl: './compare.html',
  styleUrl: './compare.scss',
  imports: [Icon, PageHeader, QueryState, RouterLink, Time, YamlDiff],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Compare {
  private readonly api = inject(ConfigsApi);

  readonly from = input.required({ transform: numberAttribute });
  readonly to = input.required({ transform: numberAttribute });

  protected readonly diff = query(
    () => ({ from: this.from(), to: this.to() }),
    ({ from, to }) => this.api.diff(from, to),
  );
}
