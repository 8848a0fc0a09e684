import { ChangeDetectionStrategy, Component, inject, input, signal } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { ConfigsApi } from '../core/api/configs';
import { paged } from '../core/paged';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

/** The config versions of a pipeline, of which two can be compared. */
@Component({
  selector: 'app-pipeline-versions',
  templateUrl: './versions.html',
  imports: [Icon, More, QueryState, RouterLink, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Versions {
  private readonly api = inject(ConfigsApi);
  private readonly router = inject(Router);

  readonly name = input.required<string>();

  protected readonly list = paged(
    () => this.name(),
    (name, cursor) => this.api.ofPipeline(name, 50, cursor),
    (config) => config.id,
  );
  protected readonly chosen = signal<readonly number[]>([]);

  /** Chooses a version to compare. A third choice replaces the first. */
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
