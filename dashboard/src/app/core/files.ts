import { HttpResponse } from '@angular/common/http';

/** Hands a text to the browser as a download. */
export function download(name: string, content: string | Blob, type = 'text/plain'): void {
  const blob = typeof content === 'string' ? new Blob([content], { type }) : content;
  const address = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The click has begun the download; the address is not needed once it was read.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Hands a file the server answered with to the browser, under the name the server gave it. */
export function saveAnswer(answer: HttpResponse<Blob>, otherwise: string): void {
  const name = /filename="?([^";]+)/.exec(answer.headers.get('content-disposition') ?? '')?.[1];
  if (answer.body !== null) download(name ?? otherwise, answer.body);
}

/** What is wrong with a dropped or chosen config, before it is sent. */
export function refusal(file: File): string | undefined {
  if (!/\.ya?ml$/i.test(file.name))
    return `${file.name} is no YAML: choose a file that ends in .yaml or .yml.`;
  if (file.size > 256 * 1024)
    return `${file.name} has ${Math.ceil(file.size / 1024)} KiB: a config may have 256.`;
  return undefined;
}
