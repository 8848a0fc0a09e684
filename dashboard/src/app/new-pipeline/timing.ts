import { Schedule } from '../core/api/models';
import { removeYaml, setYaml } from '../editor/yaml-edit';
import { YamlTree, nodeAt, readYaml, textAt } from '../editor/yaml-tree';

/** When a pipeline runs, as its YAML says. */
export interface Timing {
  cron: string;
  timezone: string;
  /** Whether changed sources start a run. */
  monitor: boolean;
}

/** What can be chosen: a cron expression, or one of these words. */
export const ON_CHANGE = 'changes';
export const ONCE = 'once';

export const TIMES: readonly [choice: string, words: string][] = [
  [ON_CHANGE, 'Whenever its source changes'],
  [ONCE, 'Once, and then when someone starts it'],
  ['*/15 * * * *', 'Every 15 minutes'],
  ['0 * * * *', 'Every hour'],
  ['0 2 * * *', 'Every night at 02:00'],
  ['0 6 * * 1-5', 'Weekdays at 06:00'],
  ['0 4 1 * *', 'First day of the month at 04:00'],
];

export function timingOf(tree: YamlTree): Timing {
  const off = [textAt(tree, ['monitor', 'enabled']), textAt(tree, ['monitor'])];
  return {
    cron: textAt(tree, ['schedule', 'cron']) ?? '',
    timezone: textAt(tree, ['schedule', 'timezone']) ?? '',
    monitor: !off.some((word) => /^(?:false|no|off|0)$/i.test(word ?? '')),
  };
}

/** Which of the choices a timing is. */
export function choiceOf({ cron, monitor }: Timing): string {
  if (cron !== '') return cron;
  return monitor ? ON_CHANGE : ONCE;
}

/** Writes a choice. Fixed times end the monitoring, unless it is written. */
export function choose(text: string, choice: string): string | undefined {
  if (choice === ON_CHANGE || choice === ONCE)
    return setMonitor(removeYaml(text, ['schedule']), choice === ON_CHANGE);
  const isMonitored = nodeAt(readYaml(text), ['monitor']) !== undefined;
  const changed = setYaml(text, ['schedule', 'cron'], choice);
  return changed === undefined || isMonitored ? changed : setMonitor(changed, false);
}

/** Whether changed sources start a run. */
export function setMonitor(text: string, monitor: boolean): string | undefined {
  const node = nodeAt(readYaml(text), ['monitor']);
  if (node?.kind === 'map') return setYaml(text, ['monitor', 'enabled'], monitor);
  return setYaml(text, ['monitor'], { enabled: monitor });
}

/** What a schedule that was saved just now means. */
export function whenItRuns({ state, reason }: Pick<Schedule, 'state' | 'reason'>): string {
  if (state === 'missed') return `No run is scheduled: ${reason ?? 'its window is over'}.`;
  return state === 'done' ? 'It runs when someone starts it.' : 'Its schedule is active from now on.';
}
