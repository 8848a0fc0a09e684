import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { FormsModule } from '@angular/forms';
import { MAT_DIALOG_DATA, MatDialogModule } from '@angular/material/dialog';

import { ShareView } from '../core/api/models';
import { SharesApi } from '../core/api/shares';
import { SystemApi } from '../core/api/system';
import { paged } from '../core/paged';
import { query } from '../core/query';
import { Submission } from '../core/submission';
import { Icon } from '../shared/icon';
import { More } from '../shared/more';
import { ProblemView } from '../shared/problem-view';
import { QueryState } from '../shared/query-state';

const LIMIT = 100;
/** Usernames that are proposed while one is typed. Others can be typed. */
const PROPOSED = 250;

/** Shares the table of a pipeline with users, and ends shares. */
@Component({
  selector: 'app-share-dialog',
  templateUrl: './share-dialog.html',
  styleUrl: './share-dialog.scss',
  imports: [FormsModule, Icon, MatDialogModule, More, ProblemView, QueryState],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ShareDialog {
  private readonly api = inject(SharesApi);
  private readonly system = inject(SystemApi);
  /** Name of the pipeline. */
  protected readonly pipeline = inject<string>(MAT_DIALOG_DATA);

  protected readonly user = signal('');
  protected readonly said = signal('');
  protected readonly submission = new Submission();
  protected readonly list = paged(
    () => ({}),
    (_, cursor) => this.api.list(this.pipeline, LIMIT, cursor),
    (share) => share.user,
  );
  protected readonly users = query(
    () => ({}),
    () => this.system.users(PROPOSED),
  );

  protected grant(): void {
    const user = this.user().trim();
    if (user === '') return;
    this.submission.send(this.api.grant(this.pipeline, user), (share) => {
      this.user.set('');
      this.said.set(`${share.user} reads the table now.`);
      this.list.first.reload();
    });
  }

  protected revoke(share: ShareView): void {
    this.submission.send(this.api.revoke(this.pipeline, share.user), () => {
      this.said.set(`${share.user} does not read the table any more.`);
      this.list.remove(share);
      this.list.first.reload();
    });
  }
}
