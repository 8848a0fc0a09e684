import { HttpResponse } from '@angular/common/http';

/** Saves a text or a file through the browser's download. */
export function download(name: string, content: string | Blob, type = 'text/plain'): void {
  const blob = typeof content === 'string' ? new Blob([content], { type }) : content;
  const address = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser reads the address soon after the click. Until then it must stay valid.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Has the browser download what a link answers with, under the name the server gives it. */
export function follow(address: string): void {
  const link = document.createElement('a');
  link.href = address;
  link.download = '';
  link.click();
}

/** Saves the file that the server answered with, under the name the server gave it. */
export function saveAnswer(answer: HttpResponse<Blob>, otherwise: string): void {
  const name = /filename="?([^";]+)/.exec(answer.headers.get('content-disposition') ?? '')?.[1];
  if (answer.body !== null) download(name ?? otherwise, answer.body);
}

/** Why a file cannot be a config, as a sentence. `undefined`: it can be sent. */
export function refusal(file: File): string | undefined {
  if (!/\.ya?ml$/i.test(file.name))
    return `${file.name} is not a YAML file. Choose a file that ends in .yaml or .yml.`;
  if (file.size > 256 * 1024)
    return `${file.name} is ${Math.ceil(file.size / 1024)} KiB, but a config can be at most 256 KiB.`;
  return undefined;
}
