import { autocompletion, closeBrackets, CompletionContext, CompletionResult } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import {
  HighlightStyle,
  bracketMatching,
  foldGutter,
  indentUnit,
  syntaxHighlighting,
} from '@codemirror/language';
import { lintGutter } from '@codemirror/lint';
import { search, searchKeymap } from '@codemirror/search';
import { EditorState, Extension } from '@codemirror/state';
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';

import { JsonSchema, keysAt, valuesAt } from './config-schema';
import { placeAt } from './yaml-path';

// The colours are the page's own custom properties, so one theme serves light and dark.
const look = EditorView.theme({
  '&': { backgroundColor: 'transparent', color: 'var(--text)', fontSize: '13px', height: '100%' },
  '&.cm-focused': {
    outline: '2px solid var(--focus)',
    outlineOffset: '-1px',
    borderRadius: 'var(--radius-s)',
  },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.6' },
  '.cm-content': { padding: '10px 0', caretColor: 'var(--accent)' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
  '.cm-gutters': { backgroundColor: 'transparent', border: 'none', color: 'var(--muted)' },
  '.cm-activeLine, .cm-activeLineGutter': {
    backgroundColor: 'color-mix(in srgb, var(--surface-3) 45%, transparent)',
  },
  '.cm-activeLineGutter': { color: 'var(--text)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'light-dark(#cfd5ff, #36418a)',
  },
  '.cm-tooltip': {
    border: '1px solid var(--border)',
    borderRadius: '8px',
    backgroundColor: 'var(--surface)',
    color: 'var(--text)',
    boxShadow: 'var(--shadow-2)',
    overflow: 'hidden',
  },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent-weak)',
    color: 'var(--text)',
  },
  '.cm-tooltip-autocomplete > ul > li': { padding: '4px 8px !important' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal' },
  '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)', fontWeight: '600' },
  '.cm-diagnostic': { fontFamily: 'var(--font)', padding: '6px 10px', maxWidth: '60ch' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--warn)' },
  '.cm-panels': { backgroundColor: 'var(--surface-2)', color: 'var(--text)' },
  '.cm-foldPlaceholder': { backgroundColor: 'var(--surface-3)', border: 'none', color: 'var(--muted)' },
  '.cm-changedLine': {
    backgroundColor: 'color-mix(in srgb, var(--accent-weak) 70%, transparent) !important',
  },
  '.cm-changedText': { background: 'color-mix(in srgb, var(--accent) 14%, transparent) !important' },
  '.cm-collapsedLines': {
    background: 'var(--surface-2)',
    color: 'var(--muted)',
    padding: '4px 12px',
    fontFamily: 'var(--font)',
    // Replaces the marks of the library, because many systems have no font for them.
    '&::before, &::after': { content: '"···"' },
  },
});

const colours = HighlightStyle.define([
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: 'light-dark(#3340b0, #b7c0ff)' },
  { tag: [tags.string, tags.content], color: 'light-dark(#116149, #7fd8b8)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'light-dark(#8a4b08, #f0b775)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: [tags.punctuation, tags.separator, tags.meta], color: 'var(--muted)' },
]);

/** Colours, line numbers and search, the same for editing and reading. */
export const appearance: Extension = [
  yaml(),
  look,
  syntaxHighlighting(colours),
  lineNumbers(),
  EditorView.lineWrapping,
  EditorState.tabSize.of(2),
  indentUnit.of('  '),
  search({ top: true }),
];

/** For reading a text. The keyboard can move in it and search it. */
export const reading: Extension = [
  appearance,
  foldGutter(),
  EditorState.readOnly.of(true),
  keymap.of([...defaultKeymap, ...searchKeymap]),
];

/** For editing a text. Escape, then Tab leaves the editor. */
export const writing: Extension = [
  appearance,
  history(),
  drawSelection(),
  bracketMatching(),
  closeBrackets(),
  highlightActiveLine(),
  lintGutter(),
  keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, indentWithTab]),
];

/** Suggests keys and values while a person types. */
export function completion(schema: () => JsonSchema | undefined): Extension {
  return autocompletion({ icons: false, override: [(context) => suggest(context, schema())] });
}

function suggest(context: CompletionContext, schema: JsonSchema | undefined): CompletionResult | null {
  if (schema === undefined) return null;
  const line = context.state.doc.lineAt(context.pos);
  const place = placeAt(context.state.doc.toString().split('\n'), line.number - 1, context.pos - line.from);
  if (place === undefined || (place.word === '' && !context.explicit && place.key === undefined)) return null;
  const from = context.pos - place.word.length;
  if (place.key !== undefined) {
    const options = valuesAt(schema, place.path, place.key);
    return options.length === 0 ? null : { from, options, validFor: /^[\w-]*$/ };
  }
  const options = keysAt(schema, place.path).map((key) => ({
    ...key,
    apply: `${key.label}: `,
    type: 'property',
  }));
  return { from, options, validFor: /^[\w-]*$/ };
}
