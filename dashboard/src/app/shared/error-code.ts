import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

/** Codes that the dashboard makes itself, for answers without a code. */
const OWN = /^(http_\d+|unreachable|unexpected)$/;

/** The stable code of an error, and the command that explains it. Shows nothing for codes that elt does not list. */
@Component({
  selector: 'app-error-code',
  template: `
    @if (isListed()) {
      Code <code>{{ code() }}</code>: run <code>elt explain {{ code() }}</code> for an explanation.
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'small muted' },
})
export class ErrorCode {
  readonly code = input.required<string | null | undefined>();

  protected readonly isListed = computed(() => {
    const code = this.code();
    return !!code && !OWN.test(code);
  });
}
