import { Remark } from '../editor/yaml-editor';

/** The problems or warnings found in a YAML, from the list as the server stored it. Unreadable entries are left out. */
export function remarksOf(kept: unknown, severity: Remark['severity']): Remark[] {
  if (!Array.isArray(kept)) return [];
  return kept.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { message, line, column, pointer, path } = entry as Record<string, unknown>;
    if (typeof message !== 'string') return [];
    return [
      {
        severity,
        message,
        line: typeof line === 'number' ? line : undefined,
        column: typeof column === 'number' ? column : undefined,
        pointer: typeof pointer === 'string' ? pointer : typeof path === 'string' ? path : undefined,
      },
    ];
  });
}
