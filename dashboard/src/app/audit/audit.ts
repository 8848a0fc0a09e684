import { ChangeDetectionStrategy, Component, computed, inject, input, signal } from '@angular/core';
import { Router } from '@angular/router';

import { AuditView } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { startOfDay } from '../core/days';
import { saveAnswer } from '../core/files';
import { plural } from '../core/format';
import { paged } from '../core/paged';
import { Submission } from '../core/submission';
import { CopyButton } from '../shared/copy-button';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { ViewMenu } from '../shared/view-menu';
import { AuditDetails } from './audit-details';
import { actionWords } from './audit-words';
import { LastVerification } from './last-verification';

const AGAIN_MS = 15_000;

/** The audit: who did what, including what was refused. */
@Component({
  selector: 'app-audit',
  templateUrl: './audit.html',
  styleUrl: './audit.scss',
  imports: [
    AuditDetails,
    CopyButton,
    Empty,
    Icon,
    More,
    PageHeader,
    ProblemView,
    QueryState,
    StateBadge,
    Time,
    ViewMenu,
  ],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Audit {
  private readonly api = inject(SystemApi);
  private readonly router = inject(Router);
  protected readonly verification = inject(LastVerification);

  readonly actor = input<string>();
  readonly action = input<string>();
  readonly outcome = input<string>();
  readonly object = input<string>();
  /** The first day, as `2026-11-29`. */
  readonly from = input<string>();
  /** The last day. */
  readonly to = input<string>();

  protected readonly submission = new Submission();
  /** Ids of the rows whose details are shown. */
  protected readonly opened = signal<readonly string[]>([]);

  private readonly only = computed(() => ({
    actor: this.actor(),
    action: this.action(),
    outcome: this.outcome(),
    object: this.object(),
    from: startOfDay(this.from()),
    to: startOfDay(this.to(), 1),
  }));

  protected readonly list = paged(
    () => this.only(),
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

  /** Asks the server whether every row is there and unchanged. */
  protected verify(): void {
    this.submission.send(this.api.auditVerification(), (verdict) => this.verification.keep(verdict));
  }

  /** Saves the rows that match as CSV. */
  protected save(): void {
    this.submission.send(this.api.auditCsv(this.only()), (answer) => saveAnswer(answer, 'audit.csv'));
  }

  protected readonly outcomes = [
    ['', 'All outcomes'],
    ['done', 'Done'],
    ['denied', 'Denied'],
    ['failed', 'Failed'],
  ] as const;
  protected readonly actionWords = actionWords;
  protected readonly plural = plural;

  protected toggle(row: AuditView): void {
    this.opened.update((opened) =>
      opened.includes(row.id) ? opened.filter((id) => id !== row.id) : [...opened, row.id],
    );
  }

  /** The details of a row as `key: value`. */
  protected details(row: AuditView): string[] {
    return Object.entries(row.detail ?? {})
      .filter(([, value]) => value !== null)
      .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  }
}
