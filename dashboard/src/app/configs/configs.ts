import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { ConfigsApi } from '../core/api/configs';
import { paged } from '../core/paged';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

const LIMIT = 50;
const AGAIN_MS = 30_000;

/** Every YAML that was ever uploaded. */
@Component({
  selector: 'app-configs',
  templateUrl: './configs.html',
  styleUrl: './configs.scss',
  imports: [Empty, Icon, More, PageHeader, QueryState, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Configs {
  private readonly api = inject(ConfigsApi);
  private readonly router = inject(Router);

  protected readonly search = signal('');
  protected readonly chosen = signal<readonly number[]>([]);
  protected readonly list = paged(
    () => ({}),
    (_, cursor) => this.api.list(LIMIT, cursor),
    (config) => config.id,
    { every: AGAIN_MS },
  );
  protected readonly shown = computed(() => {
    const wanted = this.search().trim().toLowerCase();
    return this.list
      .items()
      ?.filter((config) =>
        [config.name, config.yaml_preview, config.created_by, `v${config.version}`].some((text) =>
          text.toLowerCase().includes(wanted),
        ),
      );
  });

  /** Chooses a version to compare; a third choice drops the first. */
  protected choose(id: number): void {
    this.chosen.update((chosen) =>
      chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-2),
    );
  }

  protected compare(): void {
    const [from, to] = this.chosen().toSorted((one, other) => one - other);
    void this.router.navigate(['/config-history/compare'], { queryParams: { from, to } });
  }
}
