import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  afterNextRender,
  effect,
  inject,
  input,
  model,
  untracked,
} from '@angular/core';
import { Diagnostic, setDiagnostics } from '@codemirror/lint';
import { Text } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

import { Fault } from '../core/problem';
import { JsonSchema } from './config-schema';
import { completion, reading, writing } from './setup';

/** A problem or a warning at a place in the text. */
export interface Remark extends Fault {
  severity: 'error' | 'warning';
}

/** An editor for a YAML, or a read-only view of one. */
@Component({
  selector: 'app-yaml-editor',
  template: '',
  styles: `
    :host {
      display: block;
      min-height: 0;
      overflow: hidden;
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class YamlEditor {
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);

  readonly text = model('');
  readonly label = input.required<string>();
  readonly readonly = input(false);
  readonly remarks = input<readonly Remark[]>([]);
  readonly schema = input<JsonSchema>();

  private view: EditorView | undefined;

  constructor() {
    afterNextRender(() => this.open());
    effect(() => {
      const text = this.text();
      if (this.view !== undefined && text !== this.view.state.doc.toString()) {
        this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
      }
    });
    effect(() => this.mark(this.remarks()));
    inject(DestroyRef).onDestroy(() => this.view?.destroy());
  }

  focus(): void {
    this.view?.focus();
  }

  /** Moves the cursor to a place in the text and scrolls to it. */
  goTo(remark: Remark): void {
    if (this.view === undefined) return;
    const { from } = toDiagnostic(this.view.state.doc, remark);
    this.view.dispatch({
      selection: { anchor: from },
      effects: EditorView.scrollIntoView(from, { y: 'center' }),
    });
    this.view.focus();
  }

  private open(): void {
    const label = EditorView.contentAttributes.of({ 'aria-label': untracked(this.label), tabindex: '0' });
    const listen = EditorView.updateListener.of((update) => {
      if (update.docChanged) this.text.set(update.state.doc.toString());
    });
    const extensions = untracked(this.readonly)
      ? [reading, label]
      : [writing, completion(() => this.schema()), label, listen];
    this.view = new EditorView({ parent: this.host.nativeElement, doc: untracked(this.text), extensions });
    this.mark(untracked(this.remarks));
  }

  private mark(remarks: readonly Remark[]): void {
    const view = this.view;
    if (view === undefined) return;
    const diagnostics = remarks.map((remark) => toDiagnostic(view.state.doc, remark));
    view.dispatch(setDiagnostics(view.state, diagnostics));
  }
}

function toDiagnostic(doc: Text, remark: Remark): Diagnostic {
  const line = doc.line(Math.min(Math.max(remark.line ?? 1, 1), doc.lines));
  const from = Math.min(line.from + Math.max((remark.column ?? 1) - 1, 0), line.to);
  // Marks the word at the place, or the whole line when no word is there.
  const word = /^[^\s:#]+/.exec(doc.sliceString(from, line.to))?.[0].length ?? 0;
  const to = word === 0 ? line.to : from + word;
  return { from: word === 0 ? line.from : from, to, severity: remark.severity, message: remark.message };
}
