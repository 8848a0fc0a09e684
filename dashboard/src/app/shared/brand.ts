import { ChangeDetectionStrategy, Component } from '@angular/core';

/** The logo and name of the product, as on every page. */
@Component({
  selector: 'app-brand',
  template: `
    <img src="favicon.svg" alt="" width="26" height="26" />
    <span>elt</span>
  `,
  styles: `
    :host {
      display: inline-flex;
      align-items: center;
      gap: 10px;
      font-size: 18px;
      font-weight: 680;
      letter-spacing: -0.02em;
      color: var(--text);
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Brand {}
