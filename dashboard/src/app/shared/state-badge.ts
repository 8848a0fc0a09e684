import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { BackfillState, RunState, ScheduleState } from '../core/api/models';
import { Icon } from './icon';
import { IconName } from './icon-names';

interface Look {
  tone: '' | 'good' | 'bad' | 'warn' | 'live';
  icon: IconName;
  label: string;
}

// Every state of runs, schedules and backfills must be here. The others are outcomes, ends of attempts, and states of workers and
// audit rows.
const LOOKS: Record<RunState | ScheduleState | BackfillState, Look> & Record<string, Look | undefined> = {
  queued: { tone: '', icon: 'hourglass', label: 'Queued' },
  waiting: { tone: 'warn', icon: 'clock', label: 'Waiting' },
  running: { tone: 'live', icon: 'activity', label: 'Running' },
  succeeded: { tone: 'good', icon: 'success', label: 'Succeeded' },
  clean: { tone: 'good', icon: 'success', label: 'Clean' },
  with_warnings: { tone: 'warn', icon: 'alert', label: 'With warnings' },
  nothing_loaded: { tone: 'bad', icon: 'ban', label: 'Nothing loaded' },
  nothing_usable: { tone: 'bad', icon: 'ban', label: 'Nothing usable' },
  failed: { tone: 'bad', icon: 'error', label: 'Failed' },
  stopped: { tone: '', icon: 'stop', label: 'Stopped' },
  stopping: { tone: 'warn', icon: 'stop', label: 'Stopping' },
  canceling: { tone: 'warn', icon: 'stop', label: 'Canceling' },
  canceled: { tone: '', icon: 'stop', label: 'Canceled' },
  // What became of a message.
  sent: { tone: 'good', icon: 'success', label: 'Sent' },
  given_up: { tone: 'bad', icon: 'error', label: 'Given up' },
  // Ends of an attempt after which the run goes on.
  retry: { tone: 'warn', icon: 'retry', label: 'Will be retried' },
  unknown: { tone: 'warn', icon: 'hourglass', label: 'Result unknown' },
  target_busy: { tone: '', icon: 'clock', label: 'Table was busy' },
  waits_for_tables: { tone: '', icon: 'clock', label: 'Waits for its tables' },
  handed_back: { tone: '', icon: 'clock', label: 'Handed back' },
  worker_lost: { tone: 'bad', icon: 'alert', label: 'Worker lost' },
  active: { tone: 'live', icon: 'activity', label: 'Active' },
  paused: { tone: 'warn', icon: 'pause', label: 'Paused' },
  missed: { tone: 'warn', icon: 'skip', label: 'Missed' },
  done: { tone: 'good', icon: 'success', label: 'Done' },
  working: { tone: 'good', icon: 'success', label: 'Working' },
  draining: { tone: 'warn', icon: 'hourglass', label: 'Draining' },
  drained: { tone: '', icon: 'pause', label: 'Drained' },
  lost: { tone: 'bad', icon: 'alert', label: 'Lost' },
  denied: { tone: 'warn', icon: 'ban', label: 'Denied' },
};

/** A state as a colour, an icon and a word. The colour alone never carries the meaning. */
@Component({
  selector: 'app-state',
  template: `<span class="badge {{ look().tone }}" [class.moving]="look().tone === 'live'">
    <app-icon [name]="look().icon" />{{ look().label }}
  </span>`,
  styles: `
    app-icon {
      --icon-size: 13px;
    }
    .moving app-icon {
      animation: breathe 1.8s ease-in-out infinite;
    }
    @keyframes breathe {
      50% {
        opacity: 0.35;
      }
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class StateBadge {
  readonly state = input.required<string>();

  protected readonly look = computed<Look>(
    () => LOOKS[this.state()] ?? { tone: '', icon: 'info', label: this.state() },
  );
}
