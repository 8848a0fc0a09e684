import { ChangeDetectionStrategy, Component, input } from '@angular/core';

/** The title of a page, one line about it, and its actions (projected). */
@Component({
  selector: 'app-page-header',
  template: `
    <div class="words">
      <h1>{{ title() }}</h1>
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
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PageHeader {
  readonly title = input.required<string>();
  readonly subtitle = input<string>();
}
