//! Codes of files that are uploaded to pipelines.

use super::{Entry, OF_A_REQUEST, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::ContentMismatch,
        happened: "The file that arrived is not the one that was announced.",
        why: "The hash that the client named differs from that of the bytes that arrived: the file changed during the upload, \
            or something on the way changed it. Nothing is kept of it.",
        next_step: "Upload the file again from its start.",
        example: "orders.csv arrived with the hash 5f0c…, and 9a41… was announced",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::FileExists,
        happened: "The inbox has a file of this name with another content.",
        why: "A file is not replaced by mistake, because a run may be reading it or may still have to.",
        next_step: "Take another name, or send `?replace=true` (`elt put --replace`) to replace it.",
        example: "the inbox of orders has another file orders.csv, of 1204 bytes",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::FileNotWanted,
        happened: "No source of the pipeline reads a file of this name.",
        why: "The `glob` of its inbox sources does not match the name, so the file would never be loaded.",
        next_step: "Name the file as the `glob` says, or change the config.",
        example: "the pipeline orders reads only orders-*.csv from its inbox, not people.csv",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::FileTooLarge,
        happened: "The file is larger than one that may be uploaded.",
        why: "The limit is `ELT_UPLOAD_MAX_BYTES`, 5 GiB by default.",
        next_step: "Split or compress the file, or let the operator raise the limit.",
        example: "big.csv has 6000000000 bytes; 5368709120 are allowed",
        seen: &[Seen::Api(413)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InboxDiskFull,
        happened: "The disk with the inboxes has no room for the file.",
        why: "The file system of `ELT_INBOX` is full, or its quota for the account of the API is used up.",
        next_step: "Make room on that disk, then go on with the upload: what has arrived is kept for a day.",
        example: "the disk with the inboxes has no room for orders.csv",
        seen: &[Seen::Api(507)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InboxFull,
        happened: "The inbox of the pipeline has no room for the file.",
        why: "Its files, and the uploads that are not complete, may have `ELT_INBOX_QUOTA_BYTES` together, 20 GiB by default, and \
            be 10,000.",
        next_step: "Remove files that are loaded (`DELETE /pipelines/{name}/files/{file}`), let the source remove them by itself \
            (`after_load: {action: delete}`), or let the operator raise the limit.",
        example: "the inbox of orders would have 21474836999 bytes with orders.csv; 21474836480 are allowed",
        seen: &[Seen::Api(507)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidFileName,
        happened: "The name cannot be the name of an uploaded file.",
        why: "A name has up to 200 bytes, does not begin with a dot, and has no `/`, `\\` or character that cannot be seen.",
        next_step: "Give the file a plain name.",
        example: "the name of a file has no / and no \\, because an inbox has no folders",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidUpload,
        happened: "The upload is not described as it should be.",
        why: "`Content-Range` is `bytes FIRST-LAST/TOTAL` and needs `?upload=`, a name of 8 to 64 letters, digits, `-` and `_`; \
            `?hash=` is the xxh3-128 of the whole file as 32 hexadecimal digits.",
        next_step: "Correct it and send the request again.",
        example: "Content-Range is \"bytes 0-9\", and bytes FIRST-LAST/TOTAL is expected",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::LengthRequired,
        happened: "The request does not say how long the file is.",
        why: "The size is needed before the first byte, because the limits and the quota are checked with it.",
        next_step: "Send `Content-Length`, or `Content-Range` with the size of the whole file.",
        example: "the request has neither Content-Length nor Content-Range",
        seen: &[Seen::Api(411)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NoInbox,
        happened: "The pipeline does not take files.",
        why: "The newest version of its config cannot run, or has no source of `type: inbox`.",
        next_step: "Upload a config with a source of `type: inbox`.",
        example: "the pipeline orders does not read an inbox",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManyUploads,
        happened: "Too many files are being uploaded at the same time.",
        why: "A user may have 4 uploads under way, and all users together 32 for each API process.",
        next_step: "Wait until one of them has ended.",
        example: "4 files are being uploaded in your name already",
        seen: &[Seen::Api(429), Seen::Api(503)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::UploadBusy,
        happened: "Another request is writing to the same upload.",
        why: "The request before may not have ended yet, because its broken connection was not noticed. It ends within 30 seconds.",
        next_step: "Try again after the time in the `Retry-After` header.",
        example: "another request is writing to this upload of orders.csv",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::UploadCut,
        happened: "The body of an upload ended early.",
        why: "The connection broke, nothing arrived for 30 seconds, or the server stops. A body that is longer than its \
            `Content-Range` says is refused as well, and nothing of it is kept.",
        next_step: "Ask how much has arrived (`GET /pipelines/{name}/files/{file}?upload=…`) and send the rest. An upload without \
            a name begins again.",
        example: "1048576 of 5242880 bytes of orders.csv have arrived, then nothing came for 30 s",
        seen: &[Seen::Api(400), Seen::Api(408), Seen::Api(503)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::UploadOffset,
        happened: "The piece does not begin where the upload goes on.",
        why: "More or less has arrived than the client thinks, because the answer to an earlier piece was lost or the upload was \
            forgotten after a day.",
        next_step: "Ask how much has arrived (`GET /pipelines/{name}/files/{file}?upload=…`), and send the bytes from there on.",
        example: "0 bytes of this upload of orders.csv have arrived, and the piece begins at 1048576",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::UploadsNotAllowed,
        happened: "There is no pipeline of this name to which users who are not admins may upload files.",
        why: "An admin allows it with `users: true` in the source of `type: inbox`. It counts only in the newest version that an \
            admin has uploaded. The answer is the same for a name that no pipeline has.",
        next_step: "Check the name, or ask an admin.",
        example: "there is no pipeline orders to which users may upload files",
        seen: &[Seen::Api(404)],
        ..OF_A_REQUEST
    },
];
