import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  effect,
  inject,
  input,
} from '@angular/core';
import { MergeView } from '@codemirror/merge';
import { EditorView } from '@codemirror/view';

import { reading } from './setup';

/** Two YAMLs side by side. Differences are marked, and equal parts are folded away. */
@Component({
  selector: 'app-yaml-diff',
  template: '',
  styles: `
    :host {
      display: block;
      max-height: 70vh;
      overflow: auto;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { tabindex: '0', role: 'region', '[attr.aria-label]': 'label()' },
})
export class YamlDiff {
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);

  readonly before = input.required<string>();
  readonly after = input.required<string>();
  readonly label = input('Differences');

  constructor() {
    let view: MergeView | undefined;
    effect(() => {
      view?.destroy();
      const named = (name: string) => EditorView.contentAttributes.of({ 'aria-label': name, tabindex: '0' });
      view = new MergeView({
        parent: this.host.nativeElement,
        a: { doc: this.before(), extensions: [reading, named('Before')] },
        b: { doc: this.after(), extensions: [reading, named('After')] },
        collapseUnchanged: { margin: 3, minSize: 6 },
        gutter: true,
      });
    });
    inject(DestroyRef).onDestroy(() => view?.destroy());
  }
}
