import { LogFilter } from '../core/api/logs';
import { LogLine } from '../core/api/models';

/** Most lines in a page. Older ones are dropped. */
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

/** A message split at the occurrences of `search`, so that a template can mark them. */
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

/** Whether a line passes a filter, by the rules of the server. */
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
