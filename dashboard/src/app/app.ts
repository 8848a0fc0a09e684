import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { RouterOutlet } from '@angular/router';

import { Preferences } from './core/preferences';
import { ReloadNotice } from './shell/reload-notice';

/** The whole dashboard: whatever the address says. */
@Component({
  selector: 'app-root',
  template: '<router-outlet /><app-reload-notice />',
  imports: [ReloadNotice, RouterOutlet],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class App {
  // Applies the chosen theme from the first moment on.
  protected readonly preferences = inject(Preferences);
}
