import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule, MatDialogRef } from '@angular/material/dialog';

import { ChannelView } from '../core/api/models';
import { NotificationsApi } from '../core/api/notifications';
import { Submission } from '../core/submission';
import { DialogEnd } from '../shared/dialog-end';
import { ProblemView } from '../shared/problem-view';
import { ChannelFields, EMPTY, FORMATS, isComplete, nameProblem, requestOf } from './channel-form';

/** Stores a new channel, or gives a stored one another address. Closes with the channel as the server has it now. */
@Component({
  selector: 'app-channel-dialog',
  templateUrl: './channel-dialog.html',
  imports: [DialogEnd, FormsModule, MatDialogModule, ProblemView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ChannelDialog {
  private readonly api = inject(NotificationsApi);
  private readonly dialog = inject(MatDialogRef<ChannelDialog, ChannelView>);
  /** The channel that gets another address. Missing for a new one. */
  protected readonly channel =
    inject<ChannelView | undefined>(MAT_DIALOG_DATA, { optional: true }) ?? undefined;

  protected readonly fields = signal<ChannelFields>({
    ...EMPTY,
    name: this.channel?.name ?? '',
    kind: this.channel === undefined || this.channel.destination.startsWith('webhook') ? 'webhook' : 'email',
  });
  protected readonly formats = FORMATS;
  protected readonly submission = new Submission();
  protected readonly wrongName = computed(() => nameProblem(this.fields().name));
  protected readonly ready = computed(() => isComplete(this.fields()));

  protected set<K extends keyof ChannelFields>(key: K, value: ChannelFields[K]): void {
    this.fields.update((fields) => ({ ...fields, [key]: value }));
  }

  protected save(): void {
    if (!this.ready()) return;
    const fields = this.fields();
    this.submission.send(this.api.put(fields.name, requestOf(fields)), (stored) => this.dialog.close(stored));
  }
}
