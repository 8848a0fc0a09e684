import { Run } from '../core/api/models';
import { bytes, plural } from '../core/format';

/** How far a run got that ended without loading anything, as sentences. */
export function howFar(run: Run): string {
  const ended = run.state === 'stopped' ? 'The run was stopped' : 'The run failed';
  if (!run.started_at) return `${ended} before a worker started it.`;
  const progress = run.progress ?? undefined;
  const read = progress === undefined || (progress.rows_read === 0 && progress.bytes_read === 0);
  switch (run.stage) {
    case 'connect':
      return `${ended} before a source was read: the target could not be used.`;
    case 'extract':
      return `${ended} while its sources were read.`;
    case 'validate':
    case 'load': {
      const doing = run.stage === 'validate' ? 'cells were checked' : 'rows were loaded';
      if (read) return `${ended} while ${doing}.`;
      const files = `${progress.files_done} of ${plural(progress.files, 'file')}`;
      return `${ended} while ${doing}: ${plural(progress.rows_read, 'row')} (${bytes(progress.bytes_read)}) were read, ${files} completely. None of these rows is in the table.`;
    }
    case 'check':
      return `${ended} while its checks were tried. None of its rows is in the table.`;
    default:
      return `${ended} before it loaded anything.`;
  }
}
