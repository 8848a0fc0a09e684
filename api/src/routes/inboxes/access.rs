//! Who may upload what to a pipeline, as its config says.

use axum::http::StatusCode;
use elt_shared::config::InboxRules;
use elt_shared::explained::Code;
use elt_shared::inbox::{FileName, NameError};
use elt_shared::store::{inboxes, pipelines};
use globset::GlobBuilder;

use crate::AppState;
use crate::auth::Caller;
use crate::error::{Error, Result};

/// What a caller may upload to a pipeline.
pub struct Access {
    /// Row id of the config version that decides.
    pub config_id: i64,
    rules: InboxRules,
}

impl Access {
    /// # Errors
    /// 422 when no source of the pipeline would read a file of this name.
    pub fn check_name(&self, file: &FileName, pipeline: &str) -> Result<()> {
        let globs = &self.rules.globs;
        if globs.is_empty() || globs.iter().any(|glob| matches(glob, file)) {
            return Ok(());
        }
        let detail = format!("the pipeline {pipeline} reads only {} from its inbox, not {file}", globs.join(" and "));
        Err(Error::unprocessable(Code::FileNotWanted, detail))
    }
}

/// What the caller may upload to a pipeline. `starts_run`: a run begins with the file. Only a version that an admin has uploaded
/// decides then, because nobody has read a newer one of a user before it runs.
///
/// # Errors
/// 403 when an API token is bound to other pipelines; 404 without such a pipeline and, in the same words, when no admin has allowed
/// uploads of users, who may not know which pipelines there are; 409 when it reads no inbox.
pub async fn of(state: &AppState, caller: &Caller, pipeline: &str, starts_run: bool) -> Result<Access> {
    caller.reach(pipeline)?;
    let for_users = !caller.is_admin();
    let by_admins = for_users || starts_run;
    let inbox = inboxes::find(&state.db, pipeline, by_admins).await?;
    if inbox.is_none() && !for_users && !(starts_run && pipelines::exists(&state.db, pipeline).await?) {
        return Err(Error::NotFound(format!("pipeline {pipeline}")));
    }
    let config_id = inbox.as_ref().map(|inbox| inbox.config_id);
    let rules = inbox.and_then(|inbox| inbox.rules).map(|rules| rules.0);
    match (config_id, rules) {
        (Some(config_id), Some(rules)) if rules.users || !for_users => Ok(Access { config_id, rules }),
        _ if for_users => Err(Error::refused(
            StatusCode::NOT_FOUND,
            Code::UploadsNotAllowed,
            format!("there is no pipeline {pipeline} to which users may upload files"),
            "Check the name, or ask an admin, who allows it with `users: true` in the source of `type: inbox`.",
        )),
        _ => Err(Error::conflict(
            Code::NoInbox,
            match starts_run {
                true => format!("no config of the pipeline {pipeline} that an admin has uploaded reads an inbox"),
                false => format!("the pipeline {pipeline} does not read an inbox"),
            },
            "Upload a config with a source of `type: inbox`.",
        )),
    }
}

pub fn bad_name(error: &NameError) -> Error {
    Error::unprocessable(Code::InvalidFileName, error.to_string())
}

/// Whether a glob matches a name, as the worker reads it. One that cannot be read matches nothing there.
fn matches(glob: &str, file: &FileName) -> bool {
    let built = GlobBuilder::new(glob).literal_separator(true).empty_alternates(true).build();
    built.is_ok_and(|glob| glob.compile_matcher().is_match(file.as_str()))
}
