import { PauseView, PipelineView } from '../core/api/models';
import {
  pauseAction,
  pauseWords,
  pausedPipelines,
  pausedWhat,
  resumeQuestion,
  sortPauses,
} from './pause-words';

function pause(scope: PauseView['scope'], name = ''): PauseView {
  return { scope, name, paused_at: '2026-11-25T10:00:00Z', paused_by: 'ann' };
}

function pipeline(its?: PauseView): PipelineView {
  return {
    name: 'people',
    config_id: 1,
    version: 1,
    uploaded_at: '2026-11-25T10:00:00Z',
    uploaded_by: 'ann',
    recent_runs: [],
    runnable: true,
    priority: 'normal',
    pause: its,
  };
}

describe('pause words', () => {
  it('offer to resume a pipeline only when it is paused itself', () => {
    expect(pauseAction(pipeline())).toBe('pause');
    expect(pauseAction(pipeline(pause('pipeline', 'people')))).toBe('resume');
    expect(pauseAction(pipeline(pause('all')))).toBeUndefined();
  });

  it('say that the schedule of a paused pipeline rests, and that those of a paused queue go on', () => {
    expect(pauseWords('pipeline')).toContain('its schedule makes no runs');
    expect(pauseWords('queue')).toContain('schedules go on');
  });

  it('say what is paused', () => {
    expect(pausedWhat(pause('all'))).toBe('Everything is paused');
    expect(pausedWhat(pause('queue', 'nightly'))).toBe('The queue nightly is paused');
    expect(resumeQuestion(pause('queue', 'nightly')).title).toBe('Resume the queue nightly?');
  });

  it('promise no start of runs that another pause still holds', () => {
    expect(resumeQuestion(pause('pipeline', 'people')).words).toContain(
      'unless its queue or everything is paused',
    );
    expect(resumeQuestion(pause('queue', 'nightly')).words).toContain(
      'unless everything or their pipeline is paused',
    );
    expect(resumeQuestion(pause('all')).words).toContain('paused themselves');
  });

  it('name the pipelines that are paused, and count the others', () => {
    const all = [pause('pipeline', 'a'), pause('all'), pause('queue', 'q'), pause('pipeline', 'b')];
    expect(sortPauses(all)).toEqual({ wide: [all[1], all[2]], pipelines: ['a', 'b'] });
    expect(pausedPipelines(['a'])).toBe('The pipeline a is paused.');
    expect(pausedPipelines(['a', 'b', 'c'])).toBe('3 pipelines are paused: a, b and c.');
    expect(pausedPipelines(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).toBe(
      '7 pipelines are paused: a, b, c, d, e and 2 more.',
    );
  });
});
