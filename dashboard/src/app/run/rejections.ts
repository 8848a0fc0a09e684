import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { count } from '../core/format';
import { Rejections as Rejected } from '../core/api/models';
import { reasonWords } from './report';

/** The first rejected rows of a run, with their places and reasons. */
@Component({
  selector: 'app-rejections',
  template: `
    <section class="card" aria-label="Rejections">
      <header>
        <h2>Rejected rows</h2>
        <span class="muted small">
          @if (rejected().total > rejected().places.length) {
            the first {{ count(rejected().places.length) }} of {{ count(rejected().total) }}
          } @else {
            {{ count(rejected().total) }}
          }
        </span>
      </header>
      <p class="body reasons">
        @for (reason of reasons(); track reason) {
          <span class="badge warn plain">{{ reason }}</span>
        }
      </p>
      <div class="table-wrap" role="region" aria-label="First rejections" tabindex="0">
        <table class="table fold">
          <thead>
            <tr>
              <th scope="col">Place</th>
              <th scope="col">Column</th>
              <th scope="col" class="wide">Reason</th>
            </tr>
          </thead>
          <tbody>
            @for (place of rejected().places; track $index) {
              <tr>
                <td class="place">
                  {{ place.file }}<span class="muted">:{{ place.line }}</span>
                </td>
                <td>{{ place.column ?? '–' }}</td>
                <td class="wide why" [textContent]="place.reason"></td>
              </tr>
            }
          </tbody>
        </table>
      </div>
      <p class="foot">{{ kept() }}</p>
    </section>
  `,
  styles: `
    .reasons {
      display: flex;
      flex-wrap: wrap;
      gap: 6px;
    }
    .place,
    .why {
      overflow-wrap: anywhere;
    }
    .place {
      min-width: 26ch;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Rejections {
  readonly rejected = input.required<Required<Rejected>>();
  /** What became of the rows, as a sentence. */
  readonly kept = input.required<string>();

  protected readonly reasons = computed(() => reasonWords(this.rejected()));
  protected readonly count = count;
}
