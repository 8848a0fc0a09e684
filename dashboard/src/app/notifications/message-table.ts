import { ChangeDetectionStrategy, Component, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { NotificationView } from '../core/api/models';
import { Paged } from '../core/paged';
import { More } from '../shared/more';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';

/** Messages about pipelines, with what became of them. */
@Component({
  selector: 'app-message-table',
  template: `
    <div class="table-wrap" role="region" aria-label="Messages" tabindex="0">
      <table class="table fold">
        <thead>
          <tr>
            <th scope="col" class="wide">Message</th>
            <th scope="col">Goes to</th>
            <th scope="col">State</th>
            <th scope="col">Written</th>
          </tr>
        </thead>
        <tbody>
          @for (message of list().items(); track message.id) {
            <tr>
              <th scope="row" class="wide what">
                @if (message.run_id) {
                  <a [routerLink]="['/runs', message.run_id]">{{ message.title }}</a>
                } @else {
                  {{ message.title }}
                }
                @if (message.error) {
                  <p class="small muted">Try {{ message.attempt }}: {{ message.error }}</p>
                }
              </th>
              <td class="after what receiver" data-label="Goes to:">{{ message.destination }}</td>
              <td class="after" data-label="State:"><app-state [state]="message.state" /></td>
              <td class="after" data-label="Written:"><app-time [at]="message.created_at" /></td>
            </tr>
          }
        </tbody>
      </table>
    </div>
    <app-more [list]="list()" does="Show older messages" />
  `,
  styles: `
    .what {
      overflow-wrap: anywhere;

      p {
        font-weight: 400;
      }
    }

    @media (min-width: 721px) {
      .receiver {
        min-width: 220px;
      }
    }
  `,
  imports: [More, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageTable {
  readonly list = input.required<Paged<NotificationView>>();
}
