import { LogFilter } from '../core/api/logs';
import { LogLine } from '../core/api/models';

/** More lines than this are not kept in a page. */
export const KEPT = 3000;

/** Lines in the order they were written, each once, the newest `KEPT` of them. */
export function mergeLines(known: readonly LogLine[], fresh: readonly LogLine[]): readonly LogLine[] {
  if (fresh.length === 0) return known;
  const byId = new Map(known.map((line) => [line.id, line]));
  for (const line of fresh) byId.set(line.id, line);
  return [...byId.values()].sort((one, other) => one.id - other.id).slice(-KEPT);
}

/** `2025-07-18 23:55:41,352 - INFO - message`: one line, whatever the message. */
export function classicLine(line: LogLine): string {
  const at = new Date(line.at).toISOString().replace('T', ' ').replace('.', ',').replace('Z', '');
  const level = line.level === 'WARN' ? 'WARNING' : line.level;
  return `${at} - ${level} - ${line.message.replaceAll('\n', '\\n')}`;
}

/** A message cut where `search` occurs, so that a template can mark it. */
export function cutAt(message: string, search: string): { text: string; hit: boolean }[] {
  if (search === '') return [{ text: message, hit: false }];
  const parts: { text: string; hit: boolean }[] = [];
  const lower = message.toLowerCase();
  const wanted = search.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(wanted); at !== -1; at = lower.indexOf(wanted, from)) {
    if (at > from) parts.push({ text: message.slice(from, at), hit: false });
    parts.push({ text: message.slice(at, at + wanted.length), hit: true });
    from = at + wanted.length;
  }
  if (from < message.length) parts.push({ text: message.slice(from), hit: false });
  return parts;
}

/** Whether a line is one that was asked for, as the server decides it. */
export function passes(line: LogLine, filter: LogFilter): boolean {
  const levels = filter.level ? filter.level.split(',') : [line.level];
  const text = (filter.text ?? '').toLowerCase();
  const request = (line.fields as Record<string, unknown> | null)?.['request.id'];
  return (
    levels.includes(line.level) &&
    line.message.toLowerCase().includes(text) &&
    (!filter.request_id || request === filter.request_id)
  );
}
