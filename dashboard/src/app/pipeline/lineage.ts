import { ChangeDetectionStrategy, Component, input } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Lineage } from '../core/api/models';
import { intoWords } from '../runs/run-words';
import { Empty } from '../shared/empty';
import { Icon } from '../shared/icon';

/** Where the rows of a pipeline come from, and what is made of its table. */
@Component({
  selector: 'app-lineage',
  templateUrl: './lineage.html',
  styleUrl: './lineage.scss',
  imports: [Empty, Icon, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class LineageView {
  /** `undefined`: the newest version cannot run. */
  readonly lineage = input.required<Lineage | undefined>();
  /** Id of the newest config version. */
  readonly config = input.required<number>();

  protected readonly intoWords = intoWords;
}
