//! What each code means: what happened, why, what to do, an example, and where it is seen.
//!
//! `docs/errors.md` and `elt explain` are made from these entries. A code without an entry does not compile.

mod audit;
mod channels;
mod cluster;
mod contract;
mod files;
mod identity_provider;
mod pipelines;
mod requests;
mod rows;
mod runs;
mod secrets;
mod sources;
mod target_servers;
mod target_tables;
mod uploads;
mod users;

use std::fmt;

use super::Code;
use crate::config::keys::nearest;

/// The explanation of one code, in general. The message and next step of a problem are about its very case.
#[derive(Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// A sentence: what happened.
    pub happened: &'static str,
    /// The usual reasons, and how elt decides.
    pub why: &'static str,
    /// What the reader should do.
    pub next_step: &'static str,
    /// A message as people see it.
    pub example: &'static str,
    /// Where people and programs see the code.
    pub seen: &'static [Seen],
    /// Whether elt tries a run with this failure again by itself.
    pub retried: Retried,
    /// The step towards a source or target that a failure with this code proves.
    pub reached: Reached,
}

/// A place where a code is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// `error_code` of a run, and the connection tests.
    Run,
    /// A file that a run's report names as left out.
    File,
    /// A row in quarantine.
    Row,
    /// An answer of the API with this status.
    Api(u16),
    /// The output of a command.
    Cli,
    /// The login page.
    LoginPage,
}

/// Whether elt tries a failed run again by itself, while attempts or time to wait are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It does not, because nothing changes without people.
    No,
    /// It does.
    Yes,
    /// It does if something that the run needs was away, such as a server, and does not otherwise.
    Sometimes,
}

/// The last step that an attempt to use a source or a target reached before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// Nothing answered, or it is not known whether anything did.
    Nothing,
    /// Something answered, but was not trusted or refused the login.
    Answered,
    /// The login was accepted, or none was asked for.
    LetIn,
}

/// Codes of one subject.
pub struct Group {
    /// The subject.
    pub title: &'static str,
    /// What is common to its codes.
    pub about: &'static str,
    /// Codes of the group, ordered by their names.
    pub entries: &'static [Entry],
}

/// Every code with its explanation.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Runs",
        about: "A run fails with one code, which is in `error_code` of the run, in the log and in what `elt run` \
            prints.",
        entries: runs::ENTRIES,
    },
    Group {
        title: "Sources",
        about: "A source that cannot be read fails its run. `elt check --connect` and a connection test show the same \
            codes.",
        entries: sources::ENTRIES,
    },
    Group {
        title: "Files",
        about: "A file that cannot be read to its end is left out and named in the run's report; the other files are \
            loaded. A file that the config names by itself, and the answer of an API, fail the run with the file's \
            code.",
        entries: files::ENTRIES,
    },
    Group {
        title: "Rows in quarantine",
        about: "A row with one of these codes is kept in the quarantine with its file, line, text and reason; `GET \
            /quarantine` lists them. With `on_bad_row: fail` the run fails with `bad_row` instead. A message is about \
            the value of the column that is named beside it.",
        entries: rows::ENTRIES,
    },
    Group {
        title: "The schema contract",
        about: "The columns and rows of the sources are not what the config or the table asks for.",
        entries: contract::ENTRIES,
    },
    Group {
        title: "Targets: the server",
        about: "The target cannot be reached, does not let elt in, or ends the session.",
        entries: target_servers::ENTRIES,
    },
    Group {
        title: "Targets: the table",
        about: "The server was reached and lets elt in, and then refuses a step of the load. PostgreSQL's own error \
            code is in the message.",
        entries: target_tables::ENTRIES,
    },
    Group {
        title: "Requests",
        about: "Any address of the API can answer with these. An error is a problem document (RFC 9457) with `code`, \
            `detail` and `next_step`.",
        entries: requests::ENTRIES,
    },
    Group {
        title: "Configs, runs and schedules",
        about: "Answers of the API about configs, runs, schedules, data views and exports.",
        entries: pipelines::ENTRIES,
    },
    Group {
        title: "Files that are uploaded",
        about: "Answers of the API about files that are uploaded to a pipeline, which `elt put` shows as well.",
        entries: uploads::ENTRIES,
    },
    Group {
        title: "Users, logins and API tokens",
        about: "Answers of the API about people, service accounts, passwords, second factors and API tokens.",
        entries: users::ENTRIES,
    },
    Group {
        title: "Secrets for configs",
        about: "Answers of the API about the secrets that configs refer to as `${secret:NAME}`.",
        entries: secrets::ENTRIES,
    },
    Group {
        title: "Channels for messages",
        about: "Answers of the API about the channels that messages about pipelines go to.",
        entries: channels::ENTRIES,
    },
    Group {
        title: "Logins at an identity provider",
        about: "The login page shows the sentence; the code is in its address as `sso=` and in the audit.",
        entries: identity_provider::ENTRIES,
    },
    Group {
        title: "The audit",
        about: "`elt audit verify` prints the code and ends with 1; `GET /audit/verification` answers with it.",
        entries: audit::ENTRIES,
    },
    Group {
        title: "The private PostgreSQL",
        about: "`elt up`, and every command that uses its data folder, keeps a PostgreSQL server of its own. These are \
            its problems.",
        entries: cluster::ENTRIES,
    },
];

/// What entries have in common.
const IN_A_RUN: Entry = Entry {
    code: Code::Internal,
    happened: "",
    why: "",
    next_step: "",
    example: "",
    seen: &[Seen::Run],
    retried: Retried::No,
    reached: Reached::Nothing,
};
const OF_A_FILE: Entry = Entry { seen: &[Seen::File], ..IN_A_RUN };
const OF_A_ROW: Entry = Entry { seen: &[Seen::Row], ..IN_A_RUN };
const OF_A_REQUEST: Entry = Entry { seen: &[], ..IN_A_RUN };
const OF_A_COMMAND: Entry = Entry { seen: &[Seen::Cli], ..IN_A_RUN };
const AT_A_LOGIN: Entry = Entry { seen: &[Seen::LoginPage], ..IN_A_RUN };

const CODES: usize = Code::ALL.len();

/// The entries in the order of the codes. Compiling fails when a code has no entry, or two.
const BY_CODE: [&Entry; CODES] = {
    let mut by_code = [&IN_A_RUN; CODES];
    let mut is_explained = [false; CODES];
    let mut group = 0;
    while group < GROUPS.len() {
        let entries = GROUPS[group].entries;
        let mut at = 0;
        while at < entries.len() {
            let code = entries[at].code as usize;
            assert!(!is_explained[code], "a code is explained twice");
            is_explained[code] = true;
            by_code[code] = &entries[at];
            at += 1;
        }
        group += 1;
    }
    let mut code = 0;
    while code < CODES {
        assert!(is_explained[code], "a code is not explained");
        code += 1;
    }
    by_code
};

impl Code {
    /// What the code means.
    pub const fn entry(self) -> &'static Entry {
        BY_CODE[self as usize]
    }

    /// The step towards a source or target that a failure with this code proves.
    pub const fn reached(self) -> Reached {
        self.entry().reached
    }

    /// The code whose spelling is nearest, for a text that is not a code. `None`: none is near.
    pub fn nearest(text: &str) -> Option<Self> {
        let written = text.replace('-', "_");
        nearest(&written, Self::ALL.iter().map(|code| code.as_str())).and_then(Self::find)
    }
}

impl Entry {
    /// Where the code is seen, and whether a run is tried again, as a phrase: `a run; elt tries again by itself`.
    pub fn seen(&self) -> String {
        let mut places: Vec<String> = self.seen.iter().map(ToString::to_string).collect();
        places.dedup();
        let again = match self.retried {
            Retried::No => "",
            Retried::Yes => "; elt tries again by itself",
            Retried::Sometimes => "; elt tries again by itself if something was away",
        };
        format!("{}{again}", places.join(", "))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("a run"),
            Self::File => f.write_str("a file of a run"),
            Self::Row => f.write_str("a row in quarantine"),
            Self::Api(status) => write!(f, "API {status}"),
            Self::Cli => f.write_str("a command"),
            Self::LoginPage => f.write_str("the login page"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_whole() {
        for entry in GROUPS.iter().flat_map(|group| group.entries) {
            let code = entry.code;
            for sentence in [entry.happened, entry.why, entry.next_step] {
                let ends = sentence.ends_with(['.', '`']) || sentence.ends_with(')');
                assert!(sentence.len() > 10 && ends, "{code}: {sentence:?}");
                assert!(
                    sentence.starts_with(|first: char| !first.is_lowercase()
                        || sentence.starts_with("elt ")
                        || sentence.starts_with("initdb ")),
                    "{code}: {sentence:?}"
                );
            }
            assert!(!entry.example.is_empty() && !entry.example.ends_with('.') && !entry.seen.is_empty(), "{code}");
            assert_eq!(code.entry().code, code);
        }
    }

    #[test]
    fn codes_of_a_group_are_in_the_order_of_their_spelling() {
        // The first group is ordered by subject.
        for group in &GROUPS[1..] {
            let names: Vec<_> = group.entries.iter().map(|entry| entry.code.as_str()).collect();
            let mut sorted = names.clone();
            sorted.sort_unstable();
            assert_eq!(names, sorted, "{}", group.title);
        }
    }

    #[test]
    fn only_a_failure_that_proves_it_counts_as_reached() {
        for code in [Code::Io, Code::Internal, Code::Stopped, Code::Config, Code::ControlDatabase, Code::TargetUrl] {
            assert_eq!(code.reached(), Reached::Nothing, "{code}");
        }
        assert_eq!(Code::SourceLogin.reached(), Reached::Answered);
        assert_eq!(Code::SourceMissing.reached(), Reached::LetIn);
        assert_eq!(Code::TargetLost.reached(), Reached::Nothing);
    }

    #[test]
    fn a_misspelled_code_is_recognised() {
        assert_eq!(Code::nearest("targte_lost"), Some(Code::TargetLost));
        assert_eq!(Code::nearest("Host-Key-Changed"), Some(Code::HostKeyChanged));
        assert_eq!(Code::nearest("something quite different"), None);
        assert_eq!(Code::nearest(""), None);
    }
}
