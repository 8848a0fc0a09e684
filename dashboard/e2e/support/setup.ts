import { importCoverage } from './coverage';

/** Done once, before the first story: an installation that has a coverage report. */
export default async function setup(): Promise<void> {
  await importCoverage(170);
}
