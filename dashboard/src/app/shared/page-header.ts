import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';
import { Router } from '@angular/router';

import { helpFor } from '../core/help';
import { Icon } from './icon';

/** The title of a page with a link to its help, one line about it, and its actions (projected). */
@Component({
  selector: 'app-page-header',
  template: `
    <div class="words">
      <div class="title">
        <h1>{{ title() }}</h1>
        <a
          class="help"
          [href]="help"
          target="_blank"
          rel="noopener"
          aria-label="Help for this page, in a new tab"
        >
          <app-icon name="help" />
        </a>
      </div>
      @if (subtitle()) {
        <p class="muted">{{ subtitle() }}</p>
      }
    </div>
    <div class="row actions"><ng-content /></div>
  `,
  styles: `
    :host {
      display: flex;
      flex-wrap: wrap;
      align-items: flex-start;
      gap: 10px 16px;
    }
    .words {
      flex: 1 1 280px;
      min-width: 0;
    }
    .title {
      display: flex;
      align-items: center;
      gap: 8px;
    }
    .help {
      display: inline-flex;
      padding: 4px;
      border-radius: var(--radius-s);
      color: var(--muted);

      &:hover {
        background: var(--surface-2);
        color: var(--text);
      }
    }
    h1 {
      overflow-wrap: anywhere;
    }
    .muted {
      margin-top: 2px;
      max-width: 78ch;
    }
    .actions:empty {
      display: none;
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PageHeader {
  readonly title = input.required<string>();
  readonly subtitle = input<string>();

  protected readonly help = helpFor(inject(Router).url);
}
