import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { Icon } from './icon';
import { rulesFor } from './password-rules';

/** The rules for a new password, each with whether the typed one follows it. Give it an id to describe the field by. */
@Component({
  selector: 'app-password-hints',
  template: `
    <ul>
      @for (rule of rules(); track rule.words) {
        <li [class.met]="rule.met">
          <app-icon [name]="rule.met ? 'check' : 'minus'" />
          {{ rule.words }}<span class="visually-hidden">{{ rule.met ? ': yes' : ': not yet' }}</span>
        </li>
      }
      <li>
        <app-icon name="info" /> Common passwords and neighbouring keys, such as “qwertyuiop”, are refused.
        Several words together are easy to remember.
      </li>
    </ul>
  `,
  styles: `
    ul {
      display: grid;
      gap: 4px;
      color: var(--muted);
    }
    li {
      display: flex;
      gap: 8px;
      align-items: flex-start;
    }
    app-icon {
      margin-top: 3px;
    }
    .met {
      color: var(--good);
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PasswordHints {
  readonly password = input.required<string>();
  /** What was typed into the second field; `undefined` where there is only one. */
  readonly repeated = input<string>();

  protected readonly rules = computed(() => rulesFor(this.password(), this.repeated()));
}
