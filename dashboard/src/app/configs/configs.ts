import { ChangeDetectionStrategy, Component, ElementRef, inject, signal, viewChild } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { ConfigsApi } from '../core/api/configs';
import { ConfigView } from '../core/api/models';
import { paged } from '../core/paged';
import { settled } from '../core/settled';
import { CompareButton, chooseTwo } from '../shared/compare-button';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { SearchBox } from '../shared/search-box';
import { Time } from '../shared/time';
import { ConfigRemoval } from './config-removal';

const LIMIT = 50;
const AGAIN_MS = 30_000;

/** All config versions that were uploaded and not deleted. */
@Component({
  selector: 'app-configs',
  templateUrl: './configs.html',
  styleUrl: './configs.scss',
  imports: [CompareButton, Empty, Icon, More, PageHeader, QueryState, RouterLink, SearchBox, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Configs {
  private readonly api = inject(ConfigsApi);
  private readonly router = inject(Router);
  private readonly removal = inject(ConfigRemoval);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  /** The text in the search field; it is sent to the server once the typing pauses. */
  protected readonly search = signal('');
  protected readonly searched = settled(this.search);
  protected readonly chosen = signal<readonly number[]>([]);
  protected readonly list = paged(
    this.searched,
    (search, cursor) => this.api.list(search, LIMIT, cursor),
    (config) => config.id,
    { every: AGAIN_MS },
  );

  protected choose(id: number): void {
    this.chosen.update((chosen) => chooseTwo(chosen, id));
  }

  protected remove(config: ConfigView): void {
    this.removal.ask(config).subscribe((deleted) => {
      if (!deleted) return;
      this.chosen.update((chosen) => chosen.filter((id) => id !== config.id));
      this.list.remove(config);
      // The button that had the focus is gone with its row.
      this.table()?.nativeElement.focus();
    });
  }

  protected compare(): void {
    const [from, to] = this.chosen().toSorted((one, other) => one - other);
    void this.router.navigate(['/config-history/compare'], { queryParams: { from, to } });
  }
}
