import { Page } from '@playwright/test';

/** Replaces what stands in the editor, as pasting does: typing would indent by itself. */
export async function writeYaml(page: Page, yaml: string): Promise<void> {
  const editor = page.getByRole('textbox', { name: 'YAML of the job' });
  await editor.click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(yaml);
}
