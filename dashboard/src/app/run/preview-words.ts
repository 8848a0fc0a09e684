import { Choice, SourcePreview } from '../core/api/models';
import { plural } from '../core/format';
import { sentence } from '../core/problem';

const KEYS: Record<string, string> = {
  records: 'Rows',
  pagination: 'Paging',
  incremental: 'Only what is new',
  load: 'Key',
  rate_limit: 'Rate limit',
  for_each: 'Values to ask for',
  'csv.delimiter': 'Delimiter',
  'csv.encoding': 'Encoding',
  'csv.quote': 'Quote',
  'csv.header': 'Header',
  'csv.skip_rows': 'Lines above the header',
  'csv.skip_footer': 'Lines below the rows',
  'csv.decimal': 'Decimal separator',
  'csv.thousands': 'Separator of thousands',
};

/** What a choice is about. */
export function keyWord(key: string | undefined): string {
  return KEYS[key ?? ''] ?? key ?? '';
}

/** How sure a choice is, in words. */
export function sureWord(choice: Choice): string {
  switch (choice.confidence) {
    case 'certain':
      return 'Certain';
    case 'likely':
      return 'Likely';
    default:
      return 'Please check';
  }
}

/** Why a choice was made, as a sentence. Names stand in backquotes there, as in a config. */
export function why(choice: Choice): string {
  const reason = (choice.reason ?? '').replace(/`([^`]*)`/g, '“$1”');
  return reason === '' ? '' : sentence(reason);
}

/** The colour of a choice's badge. */
export function tone(choice: Choice): string {
  return { certain: 'good', likely: '', unsure: 'warn' }[choice.confidence ?? 'unsure'];
}

/** What was read for a preview. */
export function read(preview: SourcePreview): string {
  const requests = preview.requests ? plural(preview.requests, 'request') : '';
  const rows = preview.rows_total ?? undefined;
  const page = requests === '' ? 'file' : 'page';
  const total = rows === undefined ? '' : `${plural(rows, 'row')} in the first ${page}`;
  return [total, requests].filter((part) => part !== '').join(' · ');
}

/** The first config that a preview proposes. */
export function proposed(previews: readonly SourcePreview[] | undefined): string | undefined {
  return previews?.find((one) => one.yaml)?.yaml ?? undefined;
}
