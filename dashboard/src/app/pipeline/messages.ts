import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { PipelineDetail } from '../core/api/models';
import { NotificationsApi } from '../core/api/notifications';
import { paged } from '../core/paged';
import { Empty } from '../shared/empty';
import { More } from '../shared/more';
import { QueryState } from '../shared/query-state';
import { StateBadge } from '../shared/state-badge';
import { Time } from '../shared/time';

/** Who is told about a pipeline, and the messages about it. */
@Component({
  selector: 'app-pipeline-messages',
  templateUrl: './messages.html',
  imports: [Empty, More, QueryState, RouterLink, StateBadge, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Messages {
  private readonly api = inject(NotificationsApi);

  readonly pipeline = input.required<PipelineDetail>();

  protected readonly messages = paged(
    () => this.pipeline().name,
    (name, cursor) => this.api.list(50, cursor, name),
    (message) => message.id,
  );
}
