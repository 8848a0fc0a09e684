import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

/** Codes that the dashboard makes itself, for answers without a code. */
const OWN = /^(http_\d+|unreachable|unexpected)$/;

/** The stable code of an error, and the command that explains it. Shows nothing for codes that elt does not list. */
@Component({
  selector: 'app-error-code',
  template: `
    @if (isListed()) {
      <p class="small muted">
        Code <code>{{ code() }}</code>. For an explanation, run <code>elt explain {{ code() }}</code
        >.
      </p>
    }
  `,
  styles: `
    code {
      overflow-wrap: anywhere;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ErrorCode {
  readonly code = input.required<string | null | undefined>();

  protected readonly isListed = computed(() => {
    const code = this.code();
    return !!code && !OWN.test(code);
  });
}
