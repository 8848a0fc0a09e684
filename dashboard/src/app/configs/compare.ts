import { ChangeDetectionStrategy, Component, computed, inject, input, numberAttribute } from '@angular/core';
import { RouterLink } from '@angular/router';

import { ConfigsApi } from '../core/api/configs';
import { query } from '../core/query';
import { YamlDiff } from '../editor/yaml-diff';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

/** Two config versions side by side, with their secrets masked. */
@Component({
  selector: 'app-compare',
  templateUrl: './compare.html',
  styleUrl: './compare.scss',
  imports: [Empty, Icon, PageHeader, QueryState, RouterLink, Time, YamlDiff],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Compare {
  private readonly api = inject(ConfigsApi);

  readonly from = input.required({ transform: numberAttribute });
  readonly to = input.required({ transform: numberAttribute });

  /** Whether the address names two versions. */
  protected readonly chosen = computed(() => Number.isInteger(this.from()) && Number.isInteger(this.to()));

  protected readonly diff = query(
    () => (this.chosen() ? { from: this.from(), to: this.to() } : undefined),
    ({ from, to }) => this.api.diff(from, to),
  );
}
