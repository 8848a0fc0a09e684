import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { RouterOutlet } from '@angular/router';

import { Preferences } from './core/preferences';
import { ReloadNotice } from './shell/reload-notice';

/** The dashboard: the page that the address names. */
@Component({
  selector: 'app-root',
  template: '<router-outlet /><app-reload-notice />',
  imports: [ReloadNotice, RouterOutlet],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class App {
  // Created first, because creating it applies the chosen theme.
  protected readonly preferences = inject(Preferences);
}
