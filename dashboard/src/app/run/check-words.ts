import { CheckState } from '../core/api/models';
import { IconName } from '../shared/icon-names';

/** How the result of a check is shown. */
interface CheckLook {
  word: string;
  tone: 'good' | 'warn' | 'bad';
  icon: IconName;
}

/** The results of a check in the order in which they are counted. */
export const CHECK_STATES: Record<CheckState, CheckLook> & Record<string, CheckLook | undefined> = {
  passed: { word: 'Passed', tone: 'good', icon: 'check' },
  warned: { word: 'Warned', tone: 'warn', icon: 'alert' },
  quarantined: { word: 'Quarantined', tone: 'warn', icon: 'list-x' },
  failed: { word: 'Failed', tone: 'bad', icon: 'close' },
  broken: { word: 'Could not be tried', tone: 'bad', icon: 'ban' },
};

/** The result in a word. A tab that is older than the server may meet one that it does not know. */
export function checkWord(state: string): string {
  return CHECK_STATES[state]?.word ?? state;
}
