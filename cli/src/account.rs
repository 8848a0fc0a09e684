//! The account that `up`, `serve` and `worker` run as when root starts them.

use std::path::Path;

use clap::Args;
use clap::builder::BoolishValueParser;
use elt_cluster::{Account, LocalError};
use nix::unistd::geteuid;

use crate::exit::{Exit, refuse};
use crate::out;

/// Which account a server runs as.
#[derive(Debug, Args)]
#[command(next_help_heading = "Account")]
pub struct RunAs {
    /// The account to run as when root starts elt. Default: the one the data folder belongs to, else `elt`, `postgres`
    /// or `nobody`, the first that this machine has.
    #[arg(long, env = "ELT_RUN_AS")]
    run_as: Option<String>,
    /// Go on as root. Then a config can make elt read every file of this machine that lies in ELT_FS_ROOTS.
    #[arg(long, env = "ELT_ALLOW_ROOT", value_parser = BoolishValueParser::new())]
    allow_root: bool,
}

impl RunAs {
    /// Gives up the rights of root, before anything is touched that a config names. The data folder and what root made in
    /// it become the account's.
    ///
    /// # Errors
    /// When there is no such account, it cannot use the data folder, or this process is not root and should run as another
    /// account.
    pub fn drop_root(&self, data_dir: &Path) -> anyhow::Result<()> {
        if !geteuid().is_root() {
            return self.require_own_account();
        }
        if self.allow_root && self.run_as.is_some() {
            return Err(refuse(
                Exit::Usage,
                "an account to run as is named, and running as root is allowed as well",
                "Set either ELT_RUN_AS (--run-as) or ELT_ALLOW_ROOT (--allow-root).",
            ));
        }
        if self.allow_root {
            out::problem(
                "warning: elt runs as root, as --allow-root says: a config can make it read any file in ELT_FS_ROOTS",
            );
            return Ok(());
        }
        let account = self.run_as.as_deref().map_or_else(|| Account::of_folder(data_dir), Account::named)?;
        account.take_over(data_dir)?;
        account.become_it()?;
        let name = &account.name;
        out::problem(&format!("started as root: elt runs as `{name}`"));
        if let Ok(here) = std::env::current_dir()
            && let Err(LocalError::Unreachable { folder, .. }) = account.can_enter(&here)
        {
            out::problem(&format!(
                "warning: `{name}` may not enter {}, so sources in the working folder cannot be read. Let it in, move \
                 them, or name an account that may with --run-as",
                folder.display()
            ));
        }
        Ok(())
    }

    fn require_own_account(&self) -> anyhow::Result<()> {
        let Some(name) = &self.run_as else { return Ok(()) };
        let own = nix::unistd::User::from_uid(geteuid()).ok().flatten();
        if own.is_some_and(|own| own.name == *name) {
            return Ok(());
        }
        Err(refuse(
            Exit::Settings,
            format!("only root can start elt as another account, `{name}`"),
            "Leave --run-as and ELT_RUN_AS out, or start elt as root.",
        ))
    }
}
