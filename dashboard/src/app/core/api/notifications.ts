import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { ApiClient, given } from './client';
import { channelsList } from './generated/fn/channels/channels-list';
import { channelsPut } from './generated/fn/channels/channels-put';
import { channelsRemove } from './generated/fn/channels/channels-remove';
import { channelsTest } from './generated/fn/channels/channels-test';
import { notificationsList } from './generated/fn/notifications/notifications-list';
import { ChannelView, NotificationView, Page, PutChannel } from './models';

/** Messages about pipelines, and the channels that they go to. The addresses of channels never come back. */
@Injectable({ providedIn: 'root' })
export class NotificationsApi {
  private readonly client = inject(ApiClient);

  /** Messages, newest first; those about one pipeline when it is named. */
  list(limit: number, cursor?: string, pipeline?: string): Observable<Page<NotificationView>> {
    return this.client.call(notificationsList, given({ limit, cursor, pipeline }));
  }

  /** Channels in the order of their names. */
  channels(limit: number, cursor?: string): Observable<Page<ChannelView>> {
    return this.client.call(channelsList, given({ limit, cursor }));
  }

  /** Stores a channel, or gives it another address. */
  put(name: string, body: PutChannel): Observable<ChannelView> {
    return this.client.call(channelsPut, { name, body });
  }

  /** Deletes a channel. */
  remove(name: string): Observable<void> {
    return this.client.call(channelsRemove, { name });
  }

  /** Writes a message that says that the channel works. A worker sends it. */
  test(name: string): Observable<NotificationView> {
    return this.client.call(channelsTest, { name });
  }
}
