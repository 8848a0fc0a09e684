import { yamlLanguage } from '@codemirror/lang-yaml';
import { SyntaxNode } from '@lezer/common';

import { scalarValue } from './yaml-scalar';

/** Offsets in the text. */
interface Span {
  from: number;
  to: number;
}

export interface YamlEntry extends Span {
  key: string;
  /** Where the key is written. */
  name: Span;
  /** Offset behind the colon. */
  colon: number;
  /** `undefined`: nothing is written behind the colon. */
  value?: YamlNode;
}

export interface YamlMap extends Span {
  kind: 'map';
  /** Written in braces, on one line. */
  flow: boolean;
  /** Column of its keys, counted from 0. */
  indent: number;
  entries: YamlEntry[];
}

export interface YamlList extends Span {
  kind: 'list';
  flow: boolean;
  items: YamlNode[];
}

export interface YamlScalar extends Span {
  kind: 'scalar';
  value: string;
}

/** What forms leave alone: aliases, tags, anchors and texts of several lines. */
export interface YamlOther extends Span {
  kind: 'other';
}

export type YamlNode = YamlMap | YamlList | YamlScalar | YamlOther;

/** Keys and places in lists, from the top. */
export type YamlPath = readonly (string | number)[];

/** A config as its text was read. */
export interface YamlTree {
  text: string;
  /** `undefined`: the text has only comments, or cannot be read. */
  root?: YamlMap;
  /** The first place at which the text cannot be read as a mapping, counted from 1. */
  fault?: { line: number; column: number };
}

/** Reads a config. The places of all its parts are known, so that one of them can be changed and the others kept. */
export function readYaml(text: string): YamlTree {
  const tree = yamlLanguage.parser.parse(text);
  let broken: number | undefined;
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) broken = Math.min(broken ?? node.from, node.from);
    },
  });
  if (broken !== undefined) return { text, fault: placeOf(text, broken) };
  const [first, second] = tree.topNode.getChildren('Document');
  const content = first === undefined ? undefined : contentOf(first, text);
  if (second !== undefined) return { text, fault: placeOf(text, second.from) };
  if (content === undefined) return { text };
  return content.kind === 'map' ? { text, root: content } : { text, fault: placeOf(text, content.from) };
}

/** The part of a config at a path. */
export function nodeAt(tree: YamlTree, path: YamlPath): YamlNode | undefined {
  let node: YamlNode | undefined = tree.root;
  for (const step of path) {
    if (typeof step === 'number') node = node?.kind === 'list' ? node.items[step] : undefined;
    else node = entryOf(node, step)?.value;
  }
  return node;
}

/** The entry of a mapping with a key. */
export function entryOf(node: YamlNode | undefined, key: string): YamlEntry | undefined {
  return node?.kind === 'map' ? node.entries.find((entry) => entry.key === key) : undefined;
}

/** The text at a path; `undefined` when another kind of value, or nothing, is there. */
export function textAt(tree: YamlTree, path: YamlPath): string | undefined {
  const node = nodeAt(tree, path);
  return node?.kind === 'scalar' ? node.value : undefined;
}

/** The texts at a path: of a list, or the only one. */
export function textsAt(tree: YamlTree, path: YamlPath): string[] {
  const node = nodeAt(tree, path);
  if (node?.kind === 'scalar') return [node.value];
  if (node?.kind !== 'list') return [];
  return node.items.flatMap((item) => (item.kind === 'scalar' ? [item.value] : []));
}

/** The keys of the mapping at a path. */
export function keysOf(tree: YamlTree, path: YamlPath): string[] {
  const node = nodeAt(tree, path);
  return node?.kind === 'map' ? node.entries.map((entry) => entry.key) : [];
}

const CONTENT = new Set([
  'BlockMapping',
  'FlowMapping',
  'BlockSequence',
  'FlowSequence',
  'Literal',
  'QuotedLiteral',
  'BlockLiteral',
  'Alias',
  'Anchored',
  'Tagged',
]);

/** The first child of a node that is a value. */
function contentOf(node: SyntaxNode, text: string): YamlNode | undefined {
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (CONTENT.has(child.name)) return toNode(child, text);
  }
  return undefined;
}

function toNode(node: SyntaxNode, text: string): YamlNode {
  const { from, to } = node;
  switch (node.name) {
    case 'BlockMapping':
    case 'FlowMapping':
      return toMap(node, text);
    case 'BlockSequence':
    case 'FlowSequence': {
      const items = node.getChildren('Item').map((item) => contentOf(item, text));
      const filled = items.filter((item) => item !== undefined);
      return { kind: 'list', from, to, flow: node.name === 'FlowSequence', items: filled };
    }
    case 'Literal':
    case 'QuotedLiteral':
      return { kind: 'scalar', from, to, value: scalarValue(text.slice(from, to)) };
    default:
      return { kind: 'other', from, to };
  }
}

function toMap(node: SyntaxNode, text: string): YamlMap {
  const entries = node.getChildren('Pair').flatMap((pair): YamlEntry[] => {
    const [key, colon] = [pair.getChild('Key'), pair.getChild(':')];
    if (key === null || colon === null) return [];
    const entry: YamlEntry = {
      from: pair.from,
      to: pair.to,
      key: scalarValue(text.slice(key.from, key.to)),
      name: { from: key.from, to: key.to },
      colon: colon.to,
    };
    const value = contentOf(pair, text);
    return [value === undefined ? entry : { ...entry, value }];
  });
  const first = entries[0]?.from ?? node.from;
  return {
    kind: 'map',
    from: node.from,
    to: node.to,
    flow: node.name === 'FlowMapping',
    indent: first - (text.lastIndexOf('\n', first - 1) + 1),
    entries,
  };
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}
