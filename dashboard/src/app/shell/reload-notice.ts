import { ChangeDetectionStrategy, Component, inject } from '@angular/core';

import { MissingCode } from '../core/missing-code';
import { Icon } from '../shared/icon';

/** Says that a part of the dashboard could not be loaded, and offers to load it again. */
@Component({
  selector: 'app-reload-notice',
  template: `
    @if (code.now(); as missing) {
      <section class="notice-bar" role="alert" aria-label="The dashboard">
        <app-icon [name]="missing.reason === 'upgraded' ? 'refresh' : 'wifi-off'" />
        <p>
          @if (missing.reason === 'upgraded') {
            <b>A new version of the dashboard is available.</b>
            This tab still runs the previous version; reload to open the page.
          } @else {
            <b>The server cannot be reached.</b>
            The page could not be opened; check your connection and that the server is running.
          }
        </p>
        <button type="button" class="btn s primary" [disabled]="code.checking()" (click)="code.reload()">
          {{ missing.reason === 'upgraded' ? 'Reload' : 'Try again' }}
        </button>
        <button
          type="button"
          class="btn quiet s icon-only"
          aria-label="Close this message"
          (click)="code.dismiss()"
        >
          <app-icon name="close" />
        </button>
      </section>
    }
  `,
  styles: `
    .notice-bar {
      position: fixed;
      z-index: 1100;
      inset: auto 0 16px;
      display: flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 8px 12px;
      width: fit-content;
      max-width: min(680px, calc(100vw - 24px));
      margin-inline: auto;
      padding: 12px 14px;
      border: 1px solid var(--border-strong);
      border-radius: var(--radius);
      background: var(--surface);
      box-shadow: var(--shadow-2, var(--shadow-1));
    }
    p {
      flex: 1 1 220px;
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ReloadNotice {
  protected readonly code = inject(MissingCode);
}
