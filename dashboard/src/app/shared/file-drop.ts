import {
  ChangeDetectionStrategy,
  Component,
  ElementRef,
  input,
  output,
  signal,
  viewChild,
} from '@angular/core';

import { refusal } from '../core/files';
import { Icon } from './icon';

/** An area that takes a YAML file by drag and drop or from a file dialog. */
@Component({
  selector: 'app-file-drop',
  template: `
    <div
      class="zone"
      [class.over]="over()"
      (dragover)="$event.preventDefault(); over.set(true)"
      (dragleave)="over.set(false)"
      (drop)="$event.preventDefault(); over.set(false); take($event.dataTransfer?.files)"
    >
      <app-icon name="upload" />
      <p>
        <button type="button" class="link" (click)="choose()">{{ words() }}</button>
        <span class="muted"> or drop it here</span>
      </p>
      <input #box hidden type="file" accept=".yaml,.yml" (change)="take(box.files); box.value = ''" />
      @if (wrong(); as wrong) {
        <p class="wrong" role="alert">{{ wrong }}</p>
      }
    </div>
  `,
  styles: `
    .zone {
      display: grid;
      justify-items: center;
      gap: 6px;
      padding: 18px;
      border: 1.5px dashed var(--border-strong);
      border-radius: var(--radius);
      text-align: center;
    }
    .over {
      border-color: var(--accent);
      background: var(--accent-weak);
    }
    app-icon {
      color: var(--muted);
      --icon-size: 20px;
    }
    .wrong {
      color: var(--bad);
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class FileDrop {
  private readonly box = viewChild.required<ElementRef<HTMLInputElement>>('box');

  readonly words = input('Choose a YAML file');
  readonly chosen = output<File>();

  protected readonly over = signal(false);
  protected readonly wrong = signal<string | undefined>(undefined);

  protected choose(): void {
    this.box().nativeElement.click();
  }

  protected take(files: FileList | null | undefined): void {
    const file = files?.[0];
    if (file === undefined) return;
    const wrong = refusal(file);
    this.wrong.set(wrong);
    if (wrong === undefined) this.chosen.emit(file);
  }
}
