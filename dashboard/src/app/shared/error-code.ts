import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { helpForCode } from '../core/help';

/** Codes that the dashboard makes itself, for answers without a code. */
const OWN = /^(http_\d+|unreachable|unexpected)$/;

/** The stable code of an error, with a link to its explanation. Shows nothing for codes that elt does not list. */
@Component({
  selector: 'app-error-code',
  template: `
    @if (isListed()) {
      Code
      <a [href]="address()" target="_blank" rel="noopener"
        ><code>{{ code() }}</code
        ><span class="visually-hidden"> explained in a new tab</span></a
      >
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'small muted' },
})
export class ErrorCode {
  readonly code = input.required<string | null | undefined>();

  protected readonly address = computed(() => helpForCode(this.code() ?? ''));
  protected readonly isListed = computed(() => {
    const code = this.code();
    return !!code && !OWN.test(code);
  });
}
