import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
  signal,
  viewChild,
} from '@angular/core';
import { RouterLink } from '@angular/router';

import { KnownHostView, WorkerView } from '../core/api/models';
import { SystemApi } from '../core/api/system';
import { Clock } from '../core/clock';
import { duration } from '../core/format';
import { sentence, toProblem } from '../core/problem';
import { query } from '../core/query';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { PageHeader } from '../shared/page-header';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';
import { Queues } from './queues';
import { drainAction, drainWords, isGone, othersOf, takesRuns } from './worker-words';

const AGAIN_MS = 5000;
const LABELS = { drain: 'Drain', undrain: 'Undrain' } as const;

/** The worker processes, their queues, and the keys of the SFTP servers they connected to. */
@Component({
  selector: 'app-workers',
  templateUrl: './workers.html',
  styleUrl: './workers.scss',
  imports: [Empty, Icon, PageHeader, QueryState, Queues, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Workers {
  private readonly api = inject(SystemApi);
  private readonly clock = inject(Clock);
  private readonly toaster = inject(Toaster);
  private readonly confirmation = inject(Confirmation);
  private readonly hostTable = viewChild<ElementRef<HTMLElement>>('hostTable');
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  protected readonly gone = signal(false);
  protected readonly workers = query(
    () => this.gone(),
    (gone) => this.api.workers(gone),
    { every: AGAIN_MS },
  );
  protected readonly hosts = query(
    () => ({}),
    () => this.api.knownHosts(),
  );
  private readonly alive = computed(() => this.workers.value()?.data.filter((worker) => !isGone(worker)));
  protected readonly noneAlive = computed(() => this.alive()?.length === 0);
  /** Workers are alive, and all of them leave the queue alone. */
  protected readonly noneTakes = computed(() => {
    const alive = this.alive() ?? [];
    return alive.length > 0 && !alive.some(takesRuns);
  });

  protected readonly drainAction = drainAction;
  protected readonly labels = LABELS;
  protected readonly isGone = isGone;
  protected readonly sentence = sentence;

  /** Time since the last heartbeat of a worker, counted on while the page is open. */
  protected silence(worker: WorkerView): string {
    return duration(Math.max(0, this.clock.second() - Date.parse(worker.heartbeat_at)));
  }

  /** Why a live worker takes no runs, if that is not a drain. */
  protected reasonOf(worker: WorkerView): string | undefined {
    return isGone(worker) ? undefined : (worker.takes_nothing_because ?? undefined);
  }

  /** Drains a worker, or lets it take runs again. */
  protected drainOrUndrain(worker: WorkerView): void {
    if (worker.drain_asked_at) this.undrain(worker);
    else this.drain(worker);
  }

  private drain(worker: WorkerView): void {
    this.confirmation
      .ask({
        title: `Drain ${nameOf(worker)}?`,
        words: drainWords(worker, othersOf(worker, this.alive() ?? [])),
        yes: 'Drain',
        danger: true,
        request: () => this.api.drainWorker(worker.id),
      })
      .subscribe((drained) => {
        if (drained) this.changed(`${nameOf(worker)} takes no new runs`);
      });
  }

  private undrain(worker: WorkerView): void {
    this.confirmation
      .ask({
        title: `Undrain ${nameOf(worker)}?`,
        words: 'It takes queued runs again.',
        yes: 'Undrain',
        request: () => this.api.undrainWorker(worker.id),
      })
      .subscribe((undrained) => {
        if (undrained) this.changed(`${nameOf(worker)} takes runs again`);
      });
  }

  private changed(words: string): void {
    this.toaster.say(words);
    this.workers.reload();
    // The button that had the focus does the opposite now, or is gone.
    this.table()?.nativeElement.focus();
  }

  protected approve(host: KnownHostView): void {
    this.confirmation
      .ask({
        title: `Trust ${host.host}?`,
        words: `Runs then connect to a server with the key ${host.fingerprint}. First compare this key with the one that the owner of the server tells you.`,
        yes: 'Trust this key',
      })
      .subscribe((yes) => {
        if (!yes) return;
        this.api.approveHost(host).subscribe({
          next: () => this.reloadHosts(),
          error: (error: unknown) => this.toaster.warn(toProblem(error)),
        });
      });
  }

  protected forget(host: KnownHostView): void {
    this.confirmation
      .ask({
        title: `Forget the key of ${host.host}?`,
        words:
          'The next run trusts the key that the server then shows. If the config requires strict trust, that run fails until you trust the key here.',
        yes: 'Forget the key',
        danger: true,
      })
      .subscribe((yes) => {
        if (!yes) return;
        this.api.forgetHost(host).subscribe({
          next: () => this.reloadHosts(),
          error: (error: unknown) => this.toaster.warn(toProblem(error)),
        });
      });
  }

  private reloadHosts(): void {
    this.hosts.reload();
    // The button that had the focus may be gone: each key offers only what can be done with it.
    this.hostTable()?.nativeElement.focus();
  }
}

function nameOf(worker: WorkerView): string {
  return `${worker.host} (pid ${worker.pid})`;
}
