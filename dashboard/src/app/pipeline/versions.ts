import { ChangeDetectionStrategy, Component, inject, input, linkedSignal } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { ConfigsApi } from '../core/api/configs';
import { paged } from '../core/paged';
import { CompareButton, chooseTwo } from '../shared/compare-button';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';

/** The config versions of a pipeline, of which two can be compared. */
@Component({
  selector: 'app-pipeline-versions',
  templateUrl: './versions.html',
  imports: [CompareButton, Icon, More, QueryState, RouterLink, Time],
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
  protected readonly chosen = linkedSignal<string, readonly number[]>({
    source: this.name,
    computation: () => [],
  });

  protected choose(id: number): void {
    this.chosen.update((chosen) => chooseTwo(chosen, id));
  }

  protected compare(): void {
    const [from, to] = this.chosen().toSorted((one, other) => one - other);
    void this.router.navigate(['/config-history/compare'], { queryParams: { from, to } });
  }
}
