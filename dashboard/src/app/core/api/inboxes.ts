import { HttpClient, HttpEvent, HttpXhrBackend } from '@angular/common/http';
import { Injectable, inject } from '@angular/core';
import { Observable } from 'rxjs';

import { Session } from '../session';
import { ApiClient, given } from './client';
import { filesList } from './generated/fn/files/files-list';
import { filesListFiles } from './generated/fn/files/files-list-files';
import { filesRemove } from './generated/fn/files/files-remove';
import { FileEntry } from './generated/models/file-entry';
import { InboxView } from './generated/models/inbox-view';
import { PutAnswer } from './generated/models/put-answer';
import { Page } from './models';

/** How a file is uploaded. */
export interface UploadOptions {
  /** Name of the upload, by which it goes on after a broken connection. */
  upload: string;
  replace: boolean;
  run: boolean;
}

/** Files that are uploaded to pipelines. */
@Injectable({ providedIn: 'root' })
export class InboxesApi {
  private readonly client = inject(ApiClient);
  private readonly http = inject(HttpClient);
  private readonly session = inject(Session);
  /** Only this way of sending requests says how much of a body was sent. */
  private readonly xhr = new HttpClient(inject(HttpXhrBackend));

  /** The pipelines to which the user may upload files, in the order of their names. */
  list(limit: number, cursor?: string): Observable<Page<InboxView>> {
    return this.client.call(filesList, given({ limit, cursor }));
  }

  /** The complete files in the inbox of a pipeline. */
  files(name: string, limit: number, cursor?: string): Observable<Page<FileEntry>> {
    return this.client.call(filesListFiles, { name, ...given({ limit, cursor }) });
  }

  /** Removes a file from the inbox of a pipeline. */
  remove(name: string, file: string): Observable<void> {
    return this.client.call(filesRemove, { name, file });
  }

  /**
   * Asks what would happen to a file before a byte of it is sent: how much of it has arrived, that it is complete, or why it
   * is refused.
   */
  announce(pipeline: string, file: File, options: UploadOptions): Observable<PutAnswer> {
    return this.http.put<PutAnswer>(address(pipeline, file), new Blob([]), {
      params: { ...options },
      headers: { 'content-range': `bytes */${file.size}`, 'content-type': 'application/octet-stream' },
    });
  }

  /** Sends the bytes of a file from `first` on. The browser reads them from the disk as they are sent. */
  send(
    pipeline: string,
    file: File,
    first: number,
    options: UploadOptions,
  ): Observable<HttpEvent<PutAnswer>> {
    return this.xhr.put<PutAnswer>(address(pipeline, file), file.slice(first), {
      params: { ...options },
      headers: {
        authorization: `Bearer ${this.session.token() ?? ''}`,
        'content-range': `bytes ${first}-${file.size - 1}/${file.size}`,
        'content-type': 'application/octet-stream',
      },
      reportProgress: true,
      observe: 'events',
    });
  }
}

function address(pipeline: string, file: File): string {
  return `/pipelines/${encodeURIComponent(pipeline)}/files/${encodeURIComponent(file.name)}`;
}
