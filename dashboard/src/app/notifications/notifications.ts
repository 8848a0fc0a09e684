import { ChangeDetectionStrategy, Component, ElementRef, inject, viewChild } from '@angular/core';
import { MatDialog } from '@angular/material/dialog';

import { ChannelView } from '../core/api/models';
import { NotificationsApi } from '../core/api/notifications';
import { paged } from '../core/paged';
import { Submission } from '../core/submission';
import { Toaster } from '../core/toaster';
import { Confirmation } from '../shared/confirm';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { PageHeader } from '../shared/page-header';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';
import { Time } from '../shared/time';
import { ChannelDialog } from './channel-dialog';
import { MessageTable } from './message-table';

/** The channels that messages about pipelines go to, and the messages with what became of them. */
@Component({
  selector: 'app-notifications',
  templateUrl: './notifications.html',
  styleUrl: './notifications.scss',
  imports: [Empty, Icon, MessageTable, More, PageHeader, ProblemView, QueryState, Time],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Notifications {
  private readonly api = inject(NotificationsApi);
  private readonly dialog = inject(MatDialog);
  private readonly confirmation = inject(Confirmation);
  private readonly toaster = inject(Toaster);
  private readonly table = viewChild<ElementRef<HTMLElement>>('table');

  protected readonly channels = paged(
    () => ({}),
    (_, cursor) => this.api.channels(100, cursor),
    (channel) => channel.name,
  );

  protected readonly messages = paged(
    () => ({}),
    (_, cursor) => this.api.list(50, cursor),
    (message) => message.id,
    // A message that waits is sent soon.
    { every: 5_000 },
  );

  protected readonly testing = new Submission();

  protected add(): void {
    this.open(undefined, (channel) => {
      this.toaster.say(`${channel.name} was stored.`);
      this.channels.first.reload();
    });
  }

  protected change(channel: ChannelView): void {
    this.open(channel, (changed) => {
      this.toaster.say(`${changed.name} has a new address. The next message goes there.`);
      this.channels.replace(changed);
    });
  }

  protected test(channel: ChannelView): void {
    this.testing.send(this.api.test(channel.name), () => {
      this.toaster.say('A worker sends the message. The list below shows what comes of it.');
      this.messages.first.reload();
    });
  }

  protected remove(channel: ChannelView): void {
    this.confirmation
      .ask({
        title: `Delete ${channel.name}?`,
        words: 'Messages of configs that name it are tried for a day and then given up.',
        yes: 'Delete it',
        danger: true,
        request: () => this.api.remove(channel.name),
      })
      .subscribe((removed) => {
        if (!removed) return;
        this.toaster.say(`${channel.name} was deleted.`);
        this.channels.remove(channel);
        // The button that had the focus is gone with its row.
        this.table()?.nativeElement.focus();
      });
  }

  private open(channel: ChannelView | undefined, done: (stored: ChannelView) => void): void {
    this.dialog
      .open<ChannelDialog, ChannelView | undefined, ChannelView | ''>(ChannelDialog, {
        data: channel,
        width: '520px',
      })
      .afterClosed()
      .subscribe((stored) => {
        // A dialog that was cancelled has no result, or an empty text.
        if (stored) done(stored);
      });
  }
}
