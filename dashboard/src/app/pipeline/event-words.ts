import { NotificationView } from '../core/api/models';

/** What each event about a pipeline is called. */
export const EVENT_WORDS: Record<NotificationView['event'], string> = {
  failed: 'Runs fail',
  stopped: 'A run was stopped',
  rejects: 'Too many rows are rejected',
  drift: 'Columns have changed',
  volume: 'Fewer rows than expected',
  stale: 'Nothing was loaded for too long',
  no_worker: 'No worker takes its runs',
  missed: 'The schedule missed a run',
  recovered: 'Something is over',
  test: 'A test of a channel',
};
