import { ChangeDetectionStrategy, Component, computed, input, output } from '@angular/core';

import { Fault, Problem } from '../core/problem';
import { ErrorCode } from './error-code';
import { Icon } from './icon';

/** A failure as sentences: what happened, where, and what to do. */
@Component({
  selector: 'app-problem',
  template: `
    <div class="notice bad" role="alert">
      <app-icon [name]="offline() ? 'wifi-off' : 'alert'" />
      <div>
        <p class="sentence">{{ problem().sentence }}</p>
        @if (problem().nextStep; as step) {
          <p>{{ step }}</p>
        }
        @if (problem().faults.length > 0) {
          <ul>
            @for (fault of problem().faults; track $index) {
              <li>
                <span class="place">{{ placeOf(fault) }}</span>
                {{ fault.message }}
              </li>
            }
          </ul>
        }
        @if (!brief()) {
          <app-error-code [code]="problem().code" />
        }
        @if (problem().requestId; as id) {
          <p class="small muted">
            Request id <code>{{ id }}</code>
          </p>
        }
      </div>
      @if (retriable()) {
        <button type="button" class="btn s" (click)="retry.emit()">
          <app-icon name="retry" /> Try again
        </button>
      }
    </div>
  `,
  styles: `
    .sentence {
      font-weight: 580;
    }
    ul {
      margin-top: 6px;
      padding-left: 18px;
      list-style: disc;
    }
    .btn {
      align-self: flex-start;
    }
    .place {
      color: var(--muted);
    }
  `,
  imports: [ErrorCode, Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ProblemView {
  readonly problem = input.required<Problem>();
  readonly retriable = input(false);
  /** Leaves out the code, for problems that everybody understands without it. */
  readonly brief = input(false);
  readonly retry = output();

  protected placeOf(fault: Fault): string {
    if (!fault.line) return '';
    return fault.column ? `line ${fault.line}, column ${fault.column}: ` : `line ${fault.line}: `;
  }

  protected readonly offline = computed(() => this.problem().status === 0);
}
