import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  afterRenderEffect,
  inject,
  input,
} from '@angular/core';
import { RouterLink } from '@angular/router';

import { count } from '../core/format';

/** A state by which a list can be narrowed. */
export interface StateTab {
  /** Its value in the address. Empty: all states. */
  state: string;
  label: string;
  /** How many there are; `undefined` until that is known. */
  number: number | undefined;
}

/** Tabs that narrow a list to a state, which is kept in the address. */
@Component({
  selector: 'app-state-tabs',
  template: `
    <nav class="tabs" [attr.aria-label]="label()">
      @for (tab of tabs(); track tab.state) {
        <a
          [routerLink]="[]"
          [queryParams]="{ state: tab.state || null }"
          queryParamsHandling="merge"
          [attr.aria-current]="(state() ?? '') === tab.state ? 'page' : null"
        >
          {{ tab.label }}
          @if (tab.number !== undefined) {
            <span class="count">{{ count(tab.number) }}</span>
          }
        </a>
      }
    </nav>
  `,
  styles: `
    :host {
      display: contents;
    }
  `,
  imports: [RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class StateTabs {
  /** The name of the tabs to a screen reader. */
  readonly label = input.required<string>();
  readonly tabs = input.required<readonly StateTab[]>();
  /** The state in the address. */
  readonly state = input<string>();

  protected readonly count = count;

  constructor() {
    const host = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
    // On a phone, the tabs are wider than the window.
    afterRenderEffect(() => {
      this.state();
      host.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    });
  }
}
