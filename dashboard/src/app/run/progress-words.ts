import { RunProgress, Stage } from '../core/api/models';
import { bytes, count, duration, plural } from '../core/format';

const DOING: Record<Stage, string> & Record<string, string | undefined> = {
  connect: 'Connecting to the target',
  extract: 'Reading the sources',
  validate: 'Checking the cells',
  load: 'Loading the rows',
  check: 'Trying the checks',
};
/** Before this part of a stage is done, and before these seconds, its end is a guess. The terminal has the same bounds. */
const LEAST_SHARE = 0.02;
const LEAST_SECONDS = 3;

/** The part of the stage that is done, from 0 to 1. `undefined` when it is not known. */
export function shareOf(progress: RunProgress): number | undefined {
  const part = (done: number, total: number | null | undefined): number | undefined =>
    total ? Math.min(1, done / total) : undefined;
  // Files are of any size, so their number says something only when there are several.
  const byFiles = progress.files > 1 ? part(progress.files_done, progress.files) : undefined;
  return (
    part(progress.rows_read, progress.rows_total) ??
    part(progress.bytes_read, progress.bytes_total) ??
    byFiles
  );
}

/** Milliseconds until the stage is done, if it goes on as fast as so far. `undefined` while that is a guess. */
export function leftMs(progress: RunProgress): number | undefined {
  const share = shareOf(progress);
  const seconds = progress.stage_seconds ?? 0;
  if (share === undefined || share < LEAST_SHARE || seconds < LEAST_SECONDS) return undefined;
  return ((seconds * (1 - share)) / share) * 1000;
}

/** What a run does now: `Loading the rows: 42%`. */
export function doingWords(progress: RunProgress): string {
  const share = shareOf(progress);
  const doing = DOING[progress.stage] ?? progress.stage;
  // Rounded down, because 100% would say that the stage is done.
  return share === undefined ? `${doing}…` : `${doing}: ${Math.floor(share * 100)}%`;
}

/** How far a run is, in parts: files, rows, bytes, speed, time left, and the file at work. */
export function farWords(progress: RunProgress): string[] {
  const { files, files_done, rows_read, rows_total, bytes_read, bytes_total, rows_sent } = progress;
  const parts: string[] = [];
  if (files > 0) parts.push(`${count(files_done)} of ${plural(files, 'file')}`);
  else if (files_done > 0) parts.push(plural(files_done, 'file or page', 'files or pages'));
  if (rows_total) parts.push(`${count(rows_read)} of ${plural(rows_total, 'row')}`);
  else if (rows_read > 0) parts.push(plural(rows_read, 'row'));
  if (bytes_read > 0)
    parts.push(bytes_total ? `${bytes(bytes_read)} of ${bytes(bytes_total)}` : bytes(bytes_read));
  if (rows_sent > 0) parts.push(`${count(rows_sent)} sent`);
  const seconds = progress.stage_seconds ?? 0;
  if (rows_read > 0 && seconds > 0.5) parts.push(`${count(Math.round(rows_read / seconds))} rows per second`);
  const left = leftMs(progress);
  if (left !== undefined) parts.push(`about ${duration(left)} left in this step`);
  if (progress.file) parts.push(progress.file);
  return parts;
}
