//! A folder that takes the place of a machine on which somebody installs elt: `/etc`, `/srv`, `/usr/local` and `/var/lib` are
//! inside it, PostgreSQL is a real server of its own, and services are real processes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use elt_cluster::Cluster;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::page::Page;
use crate::support::{Folder, PATIENCE, free_port};

/// Seconds after which the blocks of a page are given up, with everything they started.
const LIMIT: &str = "240";

/// See the module.
pub struct Machine {
    folder: Folder,
    server: Pid,
    /// `PGHOST` and the others of a superuser.
    superuser: [(&'static str, String); 4],
    /// Stands for `db.example.com:5432`.
    database: u16,
    /// Stands for 8080.
    api: u16,
    /// Stands for 443.
    https: u16,
    tools: PathBuf,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

impl Machine {
    pub async fn new() -> Self {
        let (folder, tools) = (Folder::new(), tools());
        let cluster = Cluster::start(&folder.path().join("server"), None).await.expect("a PostgreSQL server");
        let machine = Self {
            server: Pid::from_raw(cluster.server_pid().expect("a running server")),
            superuser: superuser(&cluster),
            database: cluster.port(),
            api: free_port(),
            https: free_port(),
            tools,
            folder,
        };
        make_ordinary(cluster.superuser_url().expose()).await;
        // The server is stopped with the machine; dropping the cluster does not stop it.
        drop(cluster);
        machine.furnish();
        machine
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn furnish(&self) {
        for folder in
            ["release", "stand-ins", "run", "etc/systemd/system", "etc/nginx/conf.d", "var/log", "usr/local/bin"]
        {
            fs::create_dir_all(self.path(folder)).expect("made a folder");
        }
        let program = fs::read_to_string(root().join("cli/tests/cli/operate/stand_ins.sh")).expect("the stand-ins");
        for name in ["systemctl", "journalctl", "useradd", "nginx", "helm", "kubectl", "docker"] {
            let file = self.folder.write(&format!("stand-ins/{name}"), &program);
            fs::set_permissions(file, PermissionsExt::from_mode(0o755)).expect("made it a program");
        }
        symlink(env!("CARGO_BIN_EXE_elt"), self.path("release/elt")).expect("the program of the release");
        symlink(root().join("deploy"), self.path("release/deploy")).expect("the files of the release");
        let made = rcgen::generate_simple_self_signed(["elt.example.com".to_owned()]).expect("a certificate");
        self.folder.write("etc/ssl/elt/fullchain.pem", &made.cert.pem());
        self.folder.write("etc/ssl/elt/privkey.pem", &made.signing_key.serialize_pem());
        // People come from another address than the proxy.
        let (certificate, https) = (self.path("etc/ssl/elt/fullchain.pem"), self.https);
        let curl = format!(
            "noproxy = \"*\"\ninterface = 127.0.0.2\ncacert = {}\nresolve = elt.example.com:{https}:127.0.0.1\n",
            certificate.display()
        );
        self.folder.write(".curlrc", &curl);
    }

    /// The text with the places of this machine.
    fn here(&self, text: &str) -> String {
        let mut text = text
            .replace("db.example.com:5432", &format!("127.0.0.1:{}", self.database))
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.api))
            .replace("https://elt.example.com", &format!("https://elt.example.com:{}", self.https))
            .replace("listen 443", &format!("listen 127.0.0.1:{}", self.https));
        for folder in ["/etc/", "/srv/", "/usr/local/bin/", "/var/lib/"] {
            for before in [" ", "=", "@", "\"", "'"] {
                let inside = format!("{before}{}{folder}", self.folder.path().display());
                text = text.replace(&format!("{before}{folder}"), &inside);
            }
        }
        text
    }

    /// Writes the blocks of a page that are files, then runs its shell blocks in one shell. Returns what they said.
    pub fn run(&self, page: &Page) -> String {
        let of_kind = |info| page.blocks.iter().filter(move |block| block.info == info);
        for block in of_kind("nginx") {
            self.folder.write("etc/nginx/conf.d/elt.conf", &self.here(&block.text));
        }
        let values: String = of_kind("yaml values").map(|block| block.text.as_str()).collect();
        self.folder.write("release/elt.yaml", &values);

        let mut script = String::from("set -euo pipefail\n");
        for block in page.blocks.iter().filter(|block| block.is_shell() && !block.is_example()) {
            script.push_str(&format!("echo '== {}:{}'\n{}", page.name, block.line, self.here(&block.text)));
        }
        self.execute(&page.name, &script)
    }

    /// Runs a script in the folder of the release, as the superuser of PostgreSQL. Returns what it said.
    pub fn execute(&self, name: &str, script: &str) -> String {
        let file = self.folder.write(&format!("{name}.sh"), script);
        let output = self.shell().arg(file).output().expect("ran the shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} ended with {}:\n{said}\n{}", output.status, self.lines());
        said
    }

    /// The only value that a statement returns, with the URL in this file.
    pub fn value(&self, file: &str, statement: &str) -> String {
        let url = fs::read_to_string(self.path(file)).expect("a URL");
        let mut psql = Command::new("psql");
        psql.args([url.trim(), "--no-psqlrc", "--no-align", "--tuples-only", "--command", statement]);
        let output = psql.output().expect("ran psql");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn shell(&self) -> Command {
        let mut shell = Command::new("timeout");
        shell.args(["--kill-after=5", LIMIT, "bash"]);
        let path = std::env::var("PATH").expect("a PATH");
        let own = [self.path("stand-ins"), self.path("usr/local/bin")].map(|folder| folder.display().to_string());
        shell.current_dir(self.path("release")).stdin(Stdio::null()).env_clear();
        shell.env("PATH", format!("{}:{path}", own.join(":"))).env("LANG", "C.UTF-8").envs(self.superuser.clone());
        shell.env("MACHINE", self.folder.path()).env("HOME", self.folder.path()).env("CURL_HOME", self.folder.path());
        shell.env("ELT_DATA_DIR", self.path("var/lib/elt")).env("TOOLS", &self.tools).env("SYSTEM_PATH", path);
        shell
    }

    /// What the services wrote.
    pub fn lines(&self) -> String {
        let logs = fs::read_dir(self.path("var/log")).expect("the logs").flatten();
        logs.map(|log| format!("-- {:?}\n{}", log.file_name(), fs::read_to_string(log.path()).unwrap_or_default()))
            .collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let files = fs::read_dir(self.path("run")).into_iter().flatten().flatten();
        let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        let services: Vec<Pid> = texts.filter_map(|text| text.trim().parse().ok()).map(Pid::from_raw).collect();
        for service in &services {
            let _ = kill(*service, Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while services.iter().any(|service| goes_on(*service)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill(self.server, Signal::SIGINT);
        while goes_on(self.server) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether a process goes on. One that has ended and that nobody has waited for yet still has a number, but no command line.
fn goes_on(process: Pid) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn superuser(cluster: &Cluster) -> [(&'static str, String); 4] {
    let url = cluster.superuser_url();
    let login =
        url.expose().split_once("://").and_then(|(_, rest)| rest.split_once('@')).expect("a URL with a login").0;
    let (user, password) = login.split_once(':').expect("a password");
    [
        ("PGHOST", "127.0.0.1".to_owned()),
        ("PGPORT", cluster.port().to_string()),
        ("PGUSER", user.to_owned()),
        ("PGPASSWORD", password.to_owned()),
    ]
}

/// Makes an ordinary server of the private cluster of elt.
async fn make_ordinary(url: &str) {
    let mut db = PgConnection::connect(url).await.expect("connected as the superuser");
    let mut statements = vec!["alter system set fsync = off".to_owned(), "select pg_reload_conf()".to_owned()];
    statements.extend(["elt", "elt_db"].map(|name| format!("drop database {name} with (force)")));
    let roles = "select rolname::text from pg_roles where rolname like 'elt%' and not rolsuper";
    let roles: Vec<String> = sqlx::query_scalar(roles).fetch_all(&mut db).await.expect("the roles");
    statements.extend(roles.iter().map(|role| format!("drop role {role}")));
    statements.extend(["postgres", "template1"].map(|name| format!("grant connect on database {name} to public")));
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut db).await.expect(&statement);
    }
}

/// Helm and the types of Kubernetes, which `make test` fetches.
pub fn tools() -> PathBuf {
    let output = Command::new(root().join("scripts/helm-tools.sh")).output().expect("ran the script");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}
