import { ChangeDetectionStrategy, Component, input } from '@angular/core';

import { SourcePreview } from '../core/api/models';
import { ErrorCode } from '../shared/error-code';
import { Icon } from '../shared/icon';
import { keyWord, read, sureWord, tone, why } from './preview-words';

/** The beginnings of sources: what was found about each, and its first rows. */
@Component({
  selector: 'app-previews',
  templateUrl: './previews.html',
  styleUrl: './previews.scss',
  imports: [ErrorCode, Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Previews {
  readonly previews = input.required<readonly SourcePreview[]>();

  protected readonly keyWord = keyWord;
  protected readonly read = read;
  protected readonly sureWord = sureWord;
  protected readonly tone = tone;
  protected readonly why = why;
}
