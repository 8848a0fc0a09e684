import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Router } from '@angular/router';

import { PageHeader } from '../shared/page-header';
import { ViewMenu } from '../shared/view-menu';
import { Following, LogViewer } from './log-viewer';

/** The log of all processes. Its filters are in the address, so that a link shows the same lines. */
@Component({
  selector: 'app-logs',
  template: `
    <div class="page">
      <app-page-header title="Logs" subtitle="The latest lines of all processes, the newest at the bottom.">
        <app-view-menu page="logs" />
      </app-page-header>
      <app-log-viewer
        class="card"
        [run]="run()"
        [request]="request()"
        [level]="level() ?? ''"
        [text]="text() ?? ''"
        [following]="following()"
        (levelChange)="keep({ level: $event })"
        (textChange)="keep({ text: $event })"
        (followingChange)="keep({ follow: $event === 'auto' ? '' : $event })"
      />
    </div>
  `,
  styles: `
    app-log-viewer {
      --log-height: max(320px, calc(100dvh - 230px));
    }
  `,
  imports: [LogViewer, PageHeader, ViewMenu],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Logs {
  private readonly router = inject(Router);

  readonly run = input<string>();
  /** Id of a request. */
  readonly request = input<string>();
  readonly level = input<string>();
  readonly text = input<string>();
  /** How new lines arrive: `live` or `paused`; every ten seconds without it. */
  readonly follow = input<string>();

  protected readonly following = computed<Following>(() => {
    const follow = this.follow();
    return follow === 'live' || follow === 'paused' ? follow : 'auto';
  });

  protected keep(change: Record<string, string>): void {
    const queryParams = Object.fromEntries(
      Object.entries(change).map(([key, value]) => [key, value || null]),
    );
    void this.router.navigate([], { queryParams, queryParamsHandling: 'merge', replaceUrl: true });
  }
}
