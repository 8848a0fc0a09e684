//! Codes of sources: folders, SFTP servers and HTTP APIs.

use super::{Entry, IN_A_RUN, Reached, Retried, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::BadGlob,
        happened: "The pattern of a source is not a valid glob.",
        why: "A bracket or brace is not closed, or a range is written the wrong way round.",
        next_step: "Correct the pattern: `*`, `?`, `[a-z]`, `{a,b}`, and `**/` for folders at any depth.",
        example: "source 1: its path is not a valid glob pattern: error parsing glob 'in/[': unclosed character class",
        ..IN_A_RUN
    },
    Entry {
        code: Code::CursorUnusable,
        happened: "An API cannot be asked for what is new, because its cursor does not fit the config.",
        why: "`lookback` or `format` of `incremental` belong to another kind of value than the cursor: a time, a number or a \
            text.",
        next_step: "Correct `lookback` and `format` to the kind of the cursor. `elt state show` with the config shows the \
            cursor, and `elt state set` sets another one.",
        example: "api https://shop.example.com/orders cannot be asked for what is new: `lookback` is a time, but the cursor \
            is a number",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::ForEachValues,
        happened: "The values that the requests of an API source are made for could not be had.",
        why: "The `sql` of its `for_each` is wrong, writes or takes too long, the column is not there, or there are more \
            values than `limit` allows.",
        next_step: "Correct `for_each` as the message says.",
        example: "the values for {{customer}} of source 2 could not be had: there are more than the 100000 that `limit` \
            allows",
        ..IN_A_RUN
    },
    Entry {
        code: Code::FtpProtocol,
        happened: "The FTP server does not do what elt needs.",
        why: "Host and port belong to another service, the server offers no encryption, or its certificate is not valid.",
        next_step: "Check host and port. Give the authority of the server's certificate as `ca_certificate`, or write how the \
            server encrypts as `tls:`.",
        example: "ftp://files.example.com does not offer encryption by AUTH TLS",
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HostKeyChanged,
        happened: "The SFTP server shows another host key than the one that is known.",
        why: "The server was set up anew, or another machine answers in its place.",
        next_step: "Ask the server's admin whether the key was changed. If so, press Trust for the new key on the page \
            Workers, or write its fingerprint as `host_key:`; if not, somebody may be listening in.",
        example: "the host key of files.example.com:22 has changed: expected SHA256:kL1…, but it shows ssh-ed25519 \
            SHA256:9aB…",
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HostKeyUnknown,
        happened: "The SFTP server's host key was never approved.",
        why: "elt does not send a password to a server that it does not know. With `host_ca`, the server showed no \
            certificate of that authority for its name.",
        next_step: "Compare the fingerprint with the server's admin. Then an admin presses Trust on the dashboard's page \
            Workers, under Keys of SFTP servers (or sends POST /known-hosts/approve), or writes the fingerprint as \
            `host_key:` in the source.",
        example: "the host key of files.example.com:22 is not known: ssh-ed25519 SHA256:kL1…",
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpEndless,
        happened: "An API would be read for ever.",
        why: "It returns the same page again and again, or ignores the parameter that asks for the next page.",
        next_step: "Correct `pagination` as the message says.",
        example: "https://shop.example.com/orders would be read for ever: it ignores its page parameter",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpErrorAnswer,
        happened: "An API answered with an error in the body, and without rows.",
        why: "A limit is used up, a parameter is wrong, or the API reports errors with status 200.",
        next_step: "Look at what the API answers there. Retry the run once it answers with rows, or correct `records` \
            if the rows are elsewhere.",
        example: "https://shop.example.com/orders answered with an error: its member `error` reports one, and there \
            are no rows",
        retried: Retried::Sometimes,
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpNextPage,
        happened: "The next page of an API cannot be asked for.",
        why: "The link or cursor in its answer cannot be used, or the address would be too long.",
        next_step: "Correct `pagination`, `pagination.cursor_path` above all, so that it leads to the next page's \
            cursor or link itself.",
        example: "https://shop.example.com/orders does not name its next page: there is an object at $.meta",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpNotJson,
        happened: "An API answered with something that is not JSON.",
        why: "The URL is that of a web page, or a login page came in between.",
        next_step: "Open the URL with the same token: it must answer with JSON.",
        example: "https://shop.example.com/orders did not answer with JSON: it is HTML",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpNotReady,
        happened: "An API went on answering \"not ready yet\" (202).",
        why: "It prepares the data in the background, and that takes longer than elt waits.",
        next_step: "Retry the run once the API has made the data, or raise `ready_seconds` of the source.",
        example: "https://shop.example.com/export still answered 202 Accepted, \"not ready yet\", after 300 s",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpRedirect,
        happened: "An API redirected to an address that elt does not follow.",
        why: "The redirect leads to another host or scheme, or in circles; the token must not follow it there.",
        next_step: "Write the final address in `url`.",
        example: "https://shop.example.com/orders redirected to another host",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpStatus,
        happened: "An API answered with a status that is not a success.",
        why: "The request is not what the API expects, its limit is used up, or it has a fault of its own. elt has \
            tried again where that can help.",
        next_step: "Check `url`, `params` and `headers` against the API's documentation, or look at its status page; \
            then retry the run.",
        example: "https://shop.example.com/orders answered 500 Internal Server Error (3 attempts)",
        retried: Retried::Sometimes,
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpTokenAnswer,
        happened: "A token endpoint or login answered with something that is not a usable token.",
        why: "The address is not the one that gives tokens, `token_path` leads elsewhere, or the server has a fault. A \
            redirect is not followed there, because it would get the secrets.",
        next_step: "Check `token_url`, or `url` and `token_path` of the login, against the API's documentation.",
        example: "https://id.example.com/token gave no token: its answer is not JSON, but looks like a web page",
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpTokenNotKept,
        happened: "A refresh token was not used, or its successor is lost, because the control database cannot keep it.",
        why: "A refresh token may work once only, so that its successor is kept before anything uses it. The control \
            database failed, the secret key was dropped, or the command has no control database.",
        next_step: "Check the control database and `elt keys show`, then retry the run. If the token endpoint refuses \
            the refresh token then, get a new one from the server and write it as `refresh_token`.",
        example: "the refresh token of https://id.example.com/token cannot be used: the control database could not keep \
            its successor within 40 s",
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpTokenRefused,
        happened: "A token endpoint or login refused to give a token.",
        why: "The client's id or secret, the user's password, the signed claims or the refresh token is not accepted. \
            What the server says about it is part of the message. elt does not try again, so that no account is locked.",
        next_step: "Check `client_id`, `client_secret`, `client_auth` and `scopes`, or the body of the login. \
            `invalid_grant` means that the refresh token, the password or the claims are refused: get a new refresh \
            token from the server and write it as `refresh_token`.",
        example: "https://id.example.com/token answered 401 Unauthorized and gave no token: invalid_client: unknown \
            client",
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpTooLarge,
        happened: "An answer of an API is larger than elt takes.",
        why: "The limit counts the unpacked bytes of one answer.",
        next_step: "Ask for smaller pages with `pagination`.",
        example: "https://shop.example.com/orders sent more than 1 GiB, counted unpacked",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::HttpTruncated,
        happened: "An answer of an API ended before it was complete.",
        why: "The API, or a proxy before it, closed the connection.",
        next_step: "Find out what cuts the answer short, then retry the run.",
        example: "https://shop.example.com/orders broke off after 1.2 MiB: the connection was closed",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::InboxMissing,
        happened: "The worker does not have the folder of uploaded files.",
        why: "The API puts uploaded files into the folder `ELT_INBOX`, and workers read them there. On this worker's machine the \
            folder is missing, because it is not shared or not mounted.",
        next_step: "Set `ELT_INBOX` to a folder that the API and all workers share, and start them again.",
        example: "source 1: the folder of uploaded files, /srv/inbox, is not there on this worker's machine",
        ..IN_A_RUN
    },
    Entry {
        code: Code::IncludeNameTaken,
        happened: "A column that a source adds to its rows has the name of a member of a row.",
        why: "One of the two values would be lost.",
        next_step: "Give the column in `include` or `include_headers` another name.",
        example: "the rows of https://shop.example.com/orders cannot get the column `id` of `include`: a row has a member \
            of this name",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::NotIncremental,
        happened: "A cursor was asked for that does not exist.",
        why: "No source of the config has `incremental`, or several have it and the number of one is missing.",
        next_step: "Write `incremental` in an api source of the config, or name the number of one of the sources.",
        example: "the pipeline orders has no incremental source",
        seen: &[Seen::Api(409), Seen::Cli],
        ..IN_A_RUN
    },
    Entry {
        code: Code::RecordsMissing,
        happened: "The rows are not where they are expected in the JSON.",
        why: "`records` names a member that is not there, or the API answered with another document than before.",
        next_step: "Correct `records` to where the rows are, or look at what the API answers: it may be an error.",
        example: "there is nothing at $.data.items in the answer of https://shop.example.com/orders",
        seen: &[Seen::Run, Seen::File],
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SftpProtocol,
        happened: "The server does not speak SSH or SFTP as elt needs it.",
        why: "Host and port belong to another service, the server allows no common algorithms, or the account has no \
            SFTP.",
        next_step: "Check host and port, which algorithms the server allows, and that the account may use the SFTP \
            subsystem.",
        example: "files.example.com:2222 is not an SSH server that elt can talk to: the server sent another protocol",
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceChanged,
        happened: "A file changed while it was read, or a moment before.",
        why: "Another program is still writing it.",
        next_step: "Wait until the file is written completely and retry the run, or write a smaller `settle_seconds` \
            in the source.",
        example: "orders.csv changed a moment ago and is probably still being written",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceConfig,
        happened: "An API source cannot be called as it is written.",
        why: "Its URL, a header or a JSON path is not valid.",
        next_step: "Correct the source in the config.",
        example: "the url `ftp://shop.example.com` of an api source cannot be called: only http and https can be \
            called",
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceLogin,
        happened: "The source refused the login.",
        why: "The user, password, key, certificate or token is wrong or has expired, or the server asks for something \
            else as well. elt does not try again, so that no account is locked.",
        next_step: "Check `username`, `password`, `private_key`, `certificate`, `agent`, `auth_token`, `auth_scheme` and \
            `auth`, and what the account may read.",
        example: "files.example.com:22 did not accept the login of \"elt\" with its password",
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceMissing,
        happened: "There is nothing at the place that the source names.",
        why: "The path or URL is wrong, or the file was moved. A local path is looked for on the machine of the \
            worker.",
        next_step: "Check the path or URL. Relative paths start at the worker's working folder, or at the SFTP \
            account's home folder.",
        example: "source 1: in/orders.csv cannot be read: it does not exist",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceRefused,
        happened: "A source names a host that may not be called.",
        why: "The rules of `ELT_NET_DENY` and `ELT_NET_ALLOW` do not allow its address. Link-local addresses are \
            always closed by default.",
        next_step: "Ask the people who run the workers for an exception in `ELT_NET_ALLOW`, or use another host.",
        example: "http://169.254.169.254/latest may not be called: 169.254.169.254 is denied",
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceSlow,
        happened: "A monitored source took too long to be looked at.",
        why: "A schedule compares what the source holds before it starts a run, and the source did not answer in time.",
        next_step: "Find out why the source is slow. A longer monitor interval does not help.",
        example: "looking at the sources took longer than 50 s",
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceTimeout,
        happened: "The source did not answer in time.",
        why: "The server is overloaded, sends too slowly, or a firewall drops the packets.",
        next_step: "Ask for less at once, find out why the server is slow, or raise `idle_seconds`, `answer_seconds` \
            or `total_seconds` of an API source; then retry the run.",
        example: "https://shop.example.com/orders sent nothing for 60 s",
        retried: Retried::Sometimes,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceTooLarge,
        happened: "An SFTP source holds more than elt takes from one source.",
        why: "The folder or pattern covers more entries or bytes than the limit.",
        next_step: "Name a folder or pattern with less in it, or split the source.",
        example: "/out/*.csv has too many entries, more than the 100000 elt takes from one source",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceUnreachable,
        happened: "The source's server could not be reached.",
        why: "The host name is wrong, the server is down, or a network rule or firewall is in between.",
        next_step: "Check the host, the port and that the server is up and in reach of the workers; then retry the \
            run.",
        example: "files.example.com:22 could not be reached: connection refused",
        retried: Retried::Sometimes,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceUnreadable,
        happened: "A file or folder of the source may not be read, or is not of a kind that elt reads.",
        why: "The account of the worker (or of the SFTP login) lacks the permission, or the name has another suffix \
            than those that elt reads.",
        next_step: "Give the account the permission to read the file and to enter its folders, name a file with one of \
            the suffixes that the message lists, or write in `format:` what the file holds.",
        example: "source 1: in/orders.pdf: it is not a kind of file elt reads",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::SourceUnreadableRows,
        happened: "Every row of a file was rejected.",
        why: "The delimiter, the encoding or the quoting is another one than the file is read with.",
        next_step: "Write what the message proposes in the source, `csv: {delimiter: \";\"}` for example. The first \
            rejected row is named.",
        example: "nothing of orders.csv could be read: every row is rejected, the first one in line 2: it has 5 cells, \
            the header has 1",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TableNames,
        happened: "The files of a pipeline with a table for each file do not make usable names of tables.",
        why: "Two different names become one, such as `Orders.csv` and `orders.csv`, or there are more tables than a run may have. \
            Nothing was loaded.",
        next_step: "Rename one of the files that the message names, or write another pattern under `target.table`.",
        example: "in/Orders.csv and in/orders.csv have different values and would be one table, raw_orders",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
];
