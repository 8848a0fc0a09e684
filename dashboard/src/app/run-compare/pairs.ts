import { ChangeDetectionStrategy, Component, computed, input, signal } from '@angular/core';

import { count } from '../core/format';
import { Icon } from '../shared/icon';
import { Pair } from './differences';

/** Rows shown at once. */
const SHOWN = 50;

/** Things of two runs side by side, with a word and a mark beside those that differ. */
@Component({
  selector: 'app-pairs',
  template: `
    <section class="card" [attr.aria-label]="title()">
      <header>
        <h2>{{ title() }}</h2>
        <span class="muted small">{{ words() }}</span>
      </header>
      @if (pairs().length > 0) {
        <div class="table-wrap" role="region" tabindex="0" [attr.aria-label]="title() + ' of both runs'">
          <table class="table">
            <thead>
              <tr>
                <th scope="col"><span class="visually-hidden">What</span></th>
                <th scope="col">Earlier</th>
                <th scope="col">Later</th>
                <th scope="col"><span class="visually-hidden">Differs</span></th>
              </tr>
            </thead>
            <tbody>
              @for (one of shown(); track one.label) {
                <tr [class.differs]="one.differs">
                  <th scope="row">{{ one.label }}</th>
                  <td>{{ one.a }}</td>
                  <td>{{ one.b }}</td>
                  <td class="end">
                    @if (one.differs) {
                      <span class="badge warn"><app-icon name="git-compare" /> differs</span>
                    }
                  </td>
                </tr>
              }
            </tbody>
          </table>
        </div>
        @if (pairs().length > shown().length) {
          <p class="foot">
            {{ count(shown().length) }} of {{ count(pairs().length) }} shown
            <button type="button" class="btn s" (click)="more()">Show more</button>
          </p>
        }
      }
    </section>
  `,
  styles: `
    th,
    td {
      overflow-wrap: anywhere;
    }
    .differs td {
      font-weight: 550;
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Pairs {
  readonly title = input.required<string>();
  readonly pairs = input.required<readonly Pair[]>();
  /** What is said when there is nothing to compare. */
  readonly none = input('nothing to compare');

  private readonly limit = signal(SHOWN);
  protected readonly shown = computed(() => this.pairs().slice(0, this.limit()));
  protected readonly words = computed(() => {
    const all = this.pairs();
    if (all.length === 0) return this.none();
    const different = all.filter((one) => one.differs).length;
    return different === 0 ? 'all alike' : `${different} of ${all.length} differ`;
  });
  protected readonly count = count;

  protected more(): void {
    this.limit.update((limit) => limit + SHOWN);
  }
}
