import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';
import { Router } from '@angular/router';

import { AuditView } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { paged } from '../core/paged';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';

const AGAIN_MS = 15_000;

/** Who did what, also when it was refused. */
@Component({
  selector: 'app-audit',
  templateUrl: './audit.html',
  styleUrl: './audit.scss',
  imports: [Empty, Icon, More, PageHeader, QueryState, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Audit {
  private readonly api = inject(SystemApi);
  private readonly router = inject(Router);

  readonly actor = input<string>();
  readonly action = input<string>();
  readonly outcome = input<string>();

  protected readonly list = paged(
    () => ({ actor: this.actor(), action: this.action(), outcome: this.outcome() }),
    (only, cursor) => this.api.audit(only, 50, cursor),
    (row) => row.id,
    { every: AGAIN_MS },
  );

  protected narrow(change: Record<string, string>): void {
    const queryParams = Object.fromEntries(
      Object.entries(change).map(([key, value]) => [key, value || null]),
    );
    void this.router.navigate([], { queryParams, queryParamsHandling: 'merge', replaceUrl: true });
  }

  /** What else was noted, as `key: value`. */
  protected details(row: AuditView): string[] {
    return Object.entries(row.detail ?? {})
      .filter(([, value]) => value !== null)
      .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  }
}
