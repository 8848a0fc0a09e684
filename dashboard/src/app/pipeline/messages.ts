import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';

import { PipelineDetail } from '../core/api/models';
import { NotificationsApi } from '../core/api/notifications';
import { paged } from '../core/paged';
import { MessageTable } from '../notifications/message-table';
import { Empty } from '../shared/empty';
import { QueryState } from '../shared/query-state';

/** The receivers of messages about a pipeline, and the messages that were sent. */
@Component({
  selector: 'app-pipeline-messages',
  templateUrl: './messages.html',
  imports: [Empty, MessageTable, QueryState],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Messages {
  private readonly api = inject(NotificationsApi);

  readonly pipeline = input.required<PipelineDetail>();

  protected readonly messages = paged(
    () => this.pipeline().name,
    (name, cursor) => this.api.list(50, cursor, name),
    (message) => message.id,
    // A message that waits is sent soon.
    { every: 5_000 },
  );
}
