import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  computed,
  inject,
  input,
  output,
  signal,
  viewChild,
} from '@angular/core';
import { FormsModule } from '@angular/forms';

import { AuthApi } from '../core/api/auth';
import { SecondFactorSetup } from '../core/api/generated/models/second-factor-setup';
import { Focus } from '../core/focus';
import { Problem } from '../core/problem';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { CopyButton } from '../shared/copy-button';
import { Icon } from '../shared/icon';
import { ProblemView } from '../shared/problem-view';

/** Turns the second factor on or off. */
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
  private readonly focus = inject(Focus);
  private readonly heading = viewChild<ElementRef<HTMLElement>>('heading');
  private readonly passwordBox = viewChild<ElementRef<HTMLInputElement>>('passwordBox');
  private readonly codeBox = viewChild<ElementRef<HTMLInputElement>>('codeBox');
  private readonly codesIntroduction = viewChild<ElementRef<HTMLElement>>('codesIntroduction');

  /** Whether the second factor is on. */
  readonly active = input.required<boolean>();
  /** Whether this installation requires a second factor and it is off. */
  readonly missing = input.required<boolean>();
  /** Emits after the second factor was turned on or off. */
  readonly changed = output();

  protected readonly password = signal('');
  protected readonly code = signal('');
  protected readonly setup = signal<SecondFactorSetup | undefined>(undefined);
  protected readonly recoveryCodes = signal<string[] | undefined>(undefined);
  protected readonly submission = new Submission();

  /** The QR code as an image, because SVG from a server must not become a part of the page. */
  protected readonly picture = computed(
    () => `data:image/svg+xml,${encodeURIComponent(this.setup()?.qr_svg ?? '')}`,
  );

  protected begin(): void {
    this.submission.send(
      this.auth.beginSecondFactor(this.password()),
      (setup) => {
        this.setup.set(setup);
        this.password.set('');
        this.focus.moveTo(this.codeBox);
      },
      (problem) => this.correct(problem),
    );
  }

  protected confirm(): void {
    this.submission.send(
      this.auth.confirmSecondFactor(this.code()),
      ({ recovery_codes }) => {
        this.setup.set(undefined);
        this.code.set('');
        this.recoveryCodes.set(recovery_codes);
        this.focus.moveTo(this.codesIntroduction);
        this.changed.emit();
      },
      (problem) => this.correct(problem),
    );
  }

  protected cancel(): void {
    this.setup.set(undefined);
    this.code.set('');
    this.submission.show(undefined);
    this.focus.moveTo(this.passwordBox);
  }

  protected finish(): void {
    this.recoveryCodes.set(undefined);
    this.focus.moveTo(this.heading);
  }

  protected remove(): void {
    this.submission.send(
      this.auth.removeSecondFactor(this.password(), this.code()),
      () => {
        this.password.set('');
        this.code.set('');
        this.toaster.say('Logins now need only your password.');
        this.focus.moveTo(this.heading);
        this.changed.emit();
      },
      (problem) => this.correct(problem),
    );
  }

  /** Leads back to the field that has to be corrected, because the button that had the focus was disabled meanwhile. */
  private correct(problem: Problem): Problem {
    const aboutCode = this.setup() !== undefined || problem.code === 'wrong_code';
    this.focus.moveTo(aboutCode ? this.codeBox : this.passwordBox);
    return problem;
  }
}
