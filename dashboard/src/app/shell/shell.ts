import { A11yModule } from '@angular/cdk/a11y';
import {
  ChangeDetectionStrategy,
  Component,
  DOCUMENT,
  Injector,
  afterNextRender,
  computed,
  inject,
  signal,
} from '@angular/core';
import { takeUntilDestroyed } from '@angular/core/rxjs-interop';
import { MatDialog } from '@angular/material/dialog';
import { MatMenuModule } from '@angular/material/menu';
import { NavigationEnd, Router, RouterLink, RouterLinkActive, RouterOutlet } from '@angular/router';
import { filter } from 'rxjs';

import { AuthApi } from '../core/api/auth';
import { Draft } from '../core/draft';
import { MissingCode } from '../core/missing-code';
import { Preferences } from '../core/preferences';
import { Session } from '../core/session';
import { Shortcuts } from '../core/shortcuts';
import { Toaster } from '../core/toaster';
import { Brand } from '../shared/brand';
import { Icon } from '../shared/icon';
import { Banners } from './banners';
import { sectionsFor } from './navigation';

/** The frame of every page: the menu at the side, the banners on top, and the page itself. */
@Component({
  selector: 'app-shell',
  templateUrl: './shell.html',
  styleUrl: './shell.scss',
  imports: [A11yModule, Banners, Brand, Icon, MatMenuModule, RouterLink, RouterLinkActive, RouterOutlet],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { '(keydown.escape)': 'menuOpen.set(false)', '(document:keydown)': 'openByKey($event)' },
})
export class Shell {
  private readonly router = inject(Router);
  private readonly auth = inject(AuthApi);
  private readonly dialog = inject(MatDialog);
  private readonly toaster = inject(Toaster);
  private readonly code = inject(MissingCode);
  /** Created with the shell, so that it notices every logout. */
  private readonly draft = inject(Draft);
  private readonly document = inject(DOCUMENT);
  private readonly injector = inject(Injector);
  /** Path of the page that is shown. */
  private path: string | undefined;
  protected readonly preferences = inject(Preferences);
  protected readonly session = inject(Session);

  protected readonly sections = computed(() => sectionsFor(this.session.role()));
  protected readonly menuOpen = signal(false);
  protected readonly themes = [
    { theme: 'system', label: 'System', icon: 'monitor' },
    { theme: 'light', label: 'Light', icon: 'sun' },
    { theme: 'dark', label: 'Dark', icon: 'moon' },
  ] as const;

  constructor() {
    this.router.events
      .pipe(
        filter((event) => event instanceof NavigationEnd),
        takeUntilDestroyed(),
      )
      .subscribe(() => this.arrive());
    this.offerShortcuts(inject(Shortcuts));
  }

  /** Moves the focus to a page that was opened, and with it announces the page. */
  private arrive(): void {
    this.menuOpen.set(false);
    const path = this.router.url.split(/[?#]/)[0];
    const before = this.path;
    this.path = path;
    // The first page keeps the focus that the browser gives it, and other parameters of an address are the same page.
    if (before === undefined || before === path) return;
    afterNextRender(
      () => {
        // A page may have given the focus to a field of its own.
        const content = this.document.getElementById('content');
        if (content !== null && !content.contains(this.document.activeElement))
          content.focus({ preventScroll: true });
      },
      { injector: this.injector },
    );
  }

  protected logOut(): void {
    // This browser forgets the token even if the server cannot be reached to revoke it.
    this.auth.logout().subscribe({ error: () => undefined });
    this.draft.forget();
    this.session.end();
    void this.router.navigate(['/login'], { queryParams: { why: 'logged-out' } });
  }

  protected async showShortcuts(): Promise<void> {
    try {
      const { ShortcutsDialog } = await import('./shortcuts-dialog');
      this.dialog.open(ShortcutsDialog, { width: '560px' });
    } catch (error) {
      await this.code.report(error, this.router.url);
    }
  }

  /** Ctrl-K, and Cmd-K on a Mac, open the palette, also in text fields. */
  protected openByKey(event: KeyboardEvent): void {
    const isAsked = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key === 'k';
    if (!isAsked || event.defaultPrevented) return;
    event.preventDefault();
    if (this.dialog.openDialogs.length === 0) void this.showPalette();
  }

  protected async showPalette(): Promise<void> {
    try {
      const { Palette } = await import('../palette/palette');
      this.menuOpen.set(false);
      this.dialog.open(Palette, { width: '640px', position: { top: '10vh' } });
    } catch (error) {
      await this.code.report(error, this.router.url);
    }
  }

  protected skipToContent(): void {
    this.document.getElementById('content')?.focus();
  }

  private offerShortcuts(shortcuts: Shortcuts): void {
    shortcuts.offer(
      ...sectionsFor(this.session.role())
        .flatMap((section) => section.places)
        .map((place) => ({
          keys: `g ${place.key}`,
          does: `Go to ${place.label}`,
          where: 'everywhere' as const,
          run: () => void this.router.navigateByUrl(place.path),
        })),
      { keys: '?', does: 'Show these shortcuts', where: 'everywhere', run: () => void this.showShortcuts() },
      { keys: '/', does: 'Search on this page', where: 'everywhere', run: () => this.focusSearch() },
      {
        keys: 't',
        does: 'Change the theme',
        where: 'everywhere',
        run: () => this.toaster.say(`Theme: ${this.preferences.nextTheme()}`),
      },
    );
  }

  private focusSearch(): void {
    this.document.querySelector<HTMLElement>('main [data-search]')?.focus();
  }
}
