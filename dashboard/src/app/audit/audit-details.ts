import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { AuditView } from '../core/api/models';
import { exactUtc } from '../core/format';
import { CopyButton } from '../shared/copy-button';

/** Pages of objects that have one of their own, by the word in front of the id. */
const PAGES: Record<string, string> = { run: '/runs', config: '/config-history' };

/** Everything that one row of the audit says. */
@Component({
  selector: 'app-audit-details',
  templateUrl: './audit-details.html',
  styleUrl: './audit-details.scss',
  imports: [CopyButton, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class AuditDetails {
  readonly row = input.required<AuditView>();

  protected readonly at = computed(() => exactUtc(Date.parse(this.row().at)));
  protected readonly detail = computed(() => JSON.stringify(this.row().detail ?? {}, undefined, 2));
  protected readonly page = computed(() => pageOf(this.row().object));
}

/** The address of the page that shows an object such as `run 0199…`; `undefined` when there is no such page. */
export function pageOf(object: string | null | undefined): string[] | undefined {
  const [, kind = '', id = ''] = /^(run|config) ([0-9a-f-]+)$/.exec(object ?? '') ?? [];
  const page = PAGES[kind];
  return page === undefined ? undefined : [page, id];
}
