import { DOCUMENT, Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { Connection } from './connection';
import { Session } from './session';

/** One message of a server-sent event stream. */
export interface Message {
  id?: string;
  event: string;
  data: string;
}

/** What happens to a stream. */
export type Signal =
  | { kind: 'open' }
  | { kind: 'message'; message: Message }
  /** The connection broke. The stream connects again by itself. */
  | { kind: 'lost' };

const BACKOFF_MS = [1000, 2000, 4000, 8000];
/** Milliseconds without a byte until the connection counts as broken. The server sends something at least every 15 s. */
const SILENCE_MS = 40_000;

/** Server-sent events, requested with the session's token. They resume after the last event received, and close while the tab is hidden. */
@Injectable({ providedIn: 'root' })
export class EventStream {
  private readonly session = inject(Session);
  private readonly connection = inject(Connection);
  private readonly document = inject(DOCUMENT);

  /** Listens until the server ends the stream (`event: end`) or the subscriber leaves. */
  open(path: string): Observable<Signal> {
    return new Observable((subscriber) => {
      const stop = new AbortController();
      const follow = async (): Promise<void> => {
        let last: string | undefined;
        for (let failures = 0; !stop.signal.aborted;) {
          await this.visible(stop.signal);
          try {
            const done = await this.read(path, last, stop.signal, (signal) => {
              if (signal.kind === 'message') last = signal.message.id ?? last;
              failures = 0;
              subscriber.next(signal);
            });
            if (done) return subscriber.complete();
          } catch (error) {
            if (error instanceof Refused) return subscriber.error(error);
            failures += 1;
          }
          if (stop.signal.aborted) return;
          if (!this.document.hidden) subscriber.next({ kind: 'lost' });
          await pause(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1] ?? 0, stop.signal);
        }
      };
      void follow();
      return () => stop.abort();
    });
  }

  /** Reads one response to its end. True when the server ended the stream for good. */
  private async read(
    path: string,
    last: string | undefined,
    stop: AbortSignal,
    tell: (signal: Signal) => void,
  ): Promise<boolean> {
    const one = new AbortController();
    const abort = (): void => one.abort();
    const hide = (): void => {
      if (this.document.hidden) one.abort();
    };
    let silence = setTimeout(abort, SILENCE_MS);
    stop.addEventListener('abort', abort);
    this.document.addEventListener('visibilitychange', hide);
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      const token = this.session.token();
      if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
      if (last !== undefined) headers['Last-Event-ID'] = last;
      const response = await fetch(path, { headers, signal: one.signal, cache: 'no-store' });
      if (response.status >= 400 && response.status < 500) throw new Refused(response.status);
      if (!response.ok || response.body === null) throw new Error(`status ${response.status}`);
      this.connection.answered();
      tell({ kind: 'open' });
      const parser = new Parser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        clearTimeout(silence);
        silence = setTimeout(abort, SILENCE_MS);
        for (const message of parser.push(value)) {
          if (message.event === 'end') return true;
          tell({ kind: 'message', message });
        }
      }
    } finally {
      clearTimeout(silence);
      stop.removeEventListener('abort', abort);
      this.document.removeEventListener('visibilitychange', hide);
      one.abort();
    }
  }

  private visible(stop: AbortSignal): Promise<void> {
    if (!this.document.hidden) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.document.hidden && !stop.aborted) return;
        this.document.removeEventListener('visibilitychange', look);
        stop.removeEventListener('abort', look);
        resolve();
      };
      this.document.addEventListener('visibilitychange', look);
      stop.addEventListener('abort', look);
    });
  }
}

/** The server refused the stream, and would refuse it again. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super(`the stream was refused with status ${status}`);
  }
}

/** Splits a stream of text into messages, as the HTML standard defines for server-sent events. */
export class Parser {
  private rest = '';
  private id: string | undefined;
  private event = '';
  private data: string[] = [];

  push(chunk: string): Message[] {
    const messages: Message[] = [];
    // A \r at the very end may be half of \r\n: it waits for the next chunk.
    const text = this.rest + chunk;
    const cut = text.endsWith('\r') ? text.length - 1 : text.length;
    const lines = text.slice(0, cut).split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? '') + text.slice(cut);
    for (const line of lines) {
      if (line === '') this.dispatch(messages);
      else this.field(line);
    }
    return messages;
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'id') this.id = value;
    else if (name === 'event') this.event = value;
    else if (name === 'data') this.data.push(value);
  }

  private dispatch(messages: Message[]): void {
    if (this.data.length > 0 || this.event !== '') {
      messages.push({ id: this.id, event: this.event || 'message', data: this.data.join('\n') });
    }
    this.event = '';
    this.data = [];
  }
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
