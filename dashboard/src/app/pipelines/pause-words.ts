import { PauseView, PipelineView } from '../core/api/models';
import { Question } from '../shared/confirm';

/** What is paused, as the start of a sentence. */
export function pausedWhat(pause: PauseView): string {
  switch (pause.scope) {
    case 'all':
      return 'Everything is paused';
    case 'queue':
      return `The queue ${pause.name} is paused`;
    case 'pipeline':
      return `The pipeline ${pause.name} is paused`;
  }
}

/** What a pause does, as sentences. */
export function pauseWords(scope: 'pipeline' | 'queue'): string {
  return scope === 'queue'
    ? 'No worker takes a run from it until someone resumes it. Runs that are at work go on; schedules go on, too, and their runs wait.'
    : 'Its queued runs do not start, and its schedule makes no runs, until someone resumes it. A run that is at work goes on.';
}

/** What can be done: pause the pipeline, or end its own pause. `undefined` while only everything is paused. */
export function pauseAction(pipeline: PipelineView): 'pause' | 'resume' | undefined {
  if (!pipeline.pause) return 'pause';
  return pipeline.pause.scope === 'pipeline' ? 'resume' : undefined;
}

/** The question before a pause is ended. */
export function resumeQuestion(pause: PauseView): Question {
  switch (pause.scope) {
    case 'all':
      return {
        title: 'Resume everything?',
        words:
          'Queued runs start as soon as workers are free, apart from those of queues and pipelines that are paused themselves.',
        yes: 'Resume everything',
      };
    case 'queue':
      return {
        title: `Resume the queue ${pause.name}?`,
        words:
          'Its queued runs start as soon as workers are free, unless everything or their pipeline is paused.',
        yes: 'Resume the queue',
      };
    case 'pipeline':
      return {
        title: `Resume ${pause.name}?`,
        words:
          'Its queued runs start, unless its queue or everything is paused. Its schedule looks at once at what it missed.',
        yes: 'Resume',
      };
  }
}

/** Pauses of queues and of everything, and the names of the pipelines that are paused. */
export function sortPauses(pauses: readonly PauseView[]): { wide: PauseView[]; pipelines: string[] } {
  return {
    wide: pauses.filter((pause) => pause.scope !== 'pipeline'),
    pipelines: pauses.filter((pause) => pause.scope === 'pipeline').map((pause) => pause.name),
  };
}

/** Most names of paused pipelines in one sentence. */
const NAMED = 5;

/** `3 pipelines are paused: a, b and c.` */
export function pausedPipelines(names: readonly string[]): string {
  const [first] = names;
  if (names.length === 1) return `The pipeline ${first} is paused.`;
  const shown = names.slice(0, NAMED);
  const rest = names.length - shown.length;
  const list =
    rest > 0
      ? `${shown.join(', ')} and ${rest} more`
      : `${shown.slice(0, -1).join(', ')} and ${shown[shown.length - 1]}`;
  return `${names.length} pipelines are paused: ${list}.`;
}
