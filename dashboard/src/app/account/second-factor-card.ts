import { ChangeDetectionStrategy, Component, computed, inject, input, output, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';

import { AuthApi } from '../core/api/auth';
import { SecondFactorSetup } from '../core/api/generated/models/second-factor-setup';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { CopyButton } from '../shared/copy-button';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';

/** Sets an authenticator app up, or removes it. */
@Component({
  selector: 'app-second-factor-card',
  templateUrl: './second-factor-card.html',
  styleUrl: './account.scss',
  imports: [CopyButton, FormsModule, Icon, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SecondFactorCard {
  private readonly auth = inject(AuthApi);
  private readonly toaster = inject(Toaster);

  /** Whether logins need a code now. */
  readonly active = input.required<boolean>();
  /** Whether this installation asks for one. */
  readonly missing = input.required<boolean>();
  /** The second factor was set up or removed. */
  readonly changed = output();

  protected readonly password = signal('');
  protected readonly code = signal('');
  protected readonly setup = signal<SecondFactorSetup | undefined>(undefined);
  protected readonly recoveryCodes = signal<string[] | undefined>(undefined);
  protected readonly submission = new Submission();

  /** An image, because markup of a server is never put into the page. */
  protected readonly picture = computed(
    () => `data:image/svg+xml,${encodeURIComponent(this.setup()?.qr_svg ?? '')}`,
  );

  protected begin(): void {
    this.submission.send(this.auth.beginSecondFactor(this.password()), (setup) => {
      this.setup.set(setup);
      this.password.set('');
    });
  }

  protected confirm(): void {
    this.submission.send(this.auth.confirmSecondFactor(this.code()), ({ recovery_codes }) => {
      this.setup.set(undefined);
      this.code.set('');
      this.recoveryCodes.set(recovery_codes);
      this.changed.emit();
    });
  }

  protected cancel(): void {
    this.setup.set(undefined);
    this.code.set('');
    this.submission.show(undefined);
  }

  protected remove(): void {
    this.submission.send(this.auth.removeSecondFactor(this.password(), this.code()), () => {
      this.password.set('');
      this.code.set('');
      this.toaster.say('Logins need only your password now');
      this.changed.emit();
    });
  }
}
