import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { Query } from '../core/query';
import { ProblemView } from './problem-view';

/** Stands in place of data that is not there: grey lines while it loads, and the problem when loading failed. */
@Component({
  selector: 'app-query-state',
  template: `
    @if (query().problem(); as problem) {
      <app-problem [problem]="problem" [retriable]="true" (retry)="query().reload()" />
    } @else if (query().value() === undefined) {
      <div class="waiting" role="status">
        <span class="visually-hidden">Loading…</span>
        @for (line of lines(); track $index) {
          <span class="line"></span>
        }
      </div>
    }
  `,
  styles: `
    :host {
      display: contents;
    }
    :host-context(.card) app-problem {
      display: block;
      padding: 12px 16px 16px;
    }
    .waiting {
      display: grid;
      gap: 12px;
      padding: 18px 16px;
    }
    .line {
      height: 14px;
      border-radius: 6px;
      background: linear-gradient(90deg, var(--surface-2) 25%, var(--surface-3) 50%, var(--surface-2) 75%);
      background-size: 300% 100%;
      animation: sweep 1.6s linear infinite;
    }
    .line:nth-child(3n) {
      width: 72%;
    }
    .line:nth-child(3n + 1) {
      width: 88%;
    }
    @keyframes sweep {
      from {
        background-position: 150% 0;
      }
      to {
        background-position: -150% 0;
      }
    }
  `,
  imports: [ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class QueryState {
  readonly query = input.required<Query<unknown>>();
  readonly rows = input(5);

  protected readonly lines = computed(() => Array.from({ length: this.rows() }));
}
