//! Metrics that every process has: its version, its connections to the control database, its data folder's disk, and
//! dropped log lines.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elt_shared::metrics::ProcessMetrics;
use elt_shared::telemetry::Telemetry;
use nix::sys::statvfs::statvfs;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use sqlx::PgPool;
use tokio::time::sleep;

use crate::databases::Databases;

/// Time between two looks at the disk.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);

/// What the metrics of a process are about.
#[derive(Debug)]
pub struct Process {
    /// Name of its command: `serve`, `worker` or `up`.
    command: &'static str,
    control: PgPool,
    data_dir: PathBuf,
    dropped_lines: Counter,
}

impl Process {
    pub fn new(command: &'static str, databases: &Databases, telemetry: &Telemetry) -> Self {
        Self {
            command,
            control: databases.control.clone(),
            data_dir: databases.data_dir.clone(),
            dropped_lines: telemetry.dropped_lines(),
        }
    }
}

/// Adds these metrics to those of the process, and keeps them up to date for as long as it lives.
pub fn register(metrics: &ProcessMetrics, process: Process) {
    let build = Family::<[(&str, &str); 2], Gauge>::default();
    build.get_or_create(&[("version", env!("CARGO_PKG_VERSION")), ("command", process.command)]).set(1);
    let (size, free) = (Gauge::<i64>::default(), Gauge::<i64>::default());
    metrics.register(|registry| {
        registry.register("elt_build_info", "The version of this process; the value is always 1", build);
        let help = "Log lines that the control database did not take";
        registry.register("elt_log_lines_dropped", help, process.dropped_lines);
        registry.register("elt_data_disk_size_bytes", "Size of the data folder's file system", size.clone());
        registry.register(
            "elt_data_disk_free_bytes",
            "Bytes free for elt on the data folder's file system",
            free.clone(),
        );
        registry.register_collector(Box::new(Connections(process.control)));
    });
    tokio::spawn(keep_looking_at_disk(process.data_dir, size, free));
}

/// Looks on a thread of its own, because a network file system that is away lets its callers wait.
async fn keep_looking_at_disk(folder: PathBuf, size: Gauge, free: Gauge) {
    loop {
        let folder = folder.clone();
        if let Ok(Some((all, available))) = tokio::task::spawn_blocking(move || space(&folder)).await {
            size.set(all);
            free.set(available);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// Bytes of a folder's file system, and those that this account may still write. `None`: it cannot be found out.
pub fn space(folder: &Path) -> Option<(i64, i64)> {
    let stat = statvfs(folder).ok()?;
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(stat.fragment_size())).unwrap_or(i64::MAX);
    Some((bytes(stat.blocks()), bytes(stat.blocks_available())))
}

/// The connections of a pool.
#[derive(Debug)]
struct Connections(PgPool);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (open, idle) = (i64::from(self.0.size()), i64::try_from(self.0.num_idle()).unwrap_or(i64::MAX));
        let help = "Connections of this process to the control database, by state.";
        let mut family = encoder.encode_descriptor("elt_control_connections", help, None, MetricType::Gauge)?;
        for (state, connections) in [("used", (open - idle).max(0)), ("idle", idle.min(open))] {
            ConstGauge::new(connections).encode(family.encode_family(&[("state", state)])?)?;
        }
        let help = "Connections that this process may have to the control database.";
        let most = encoder.encode_descriptor("elt_control_connections_max", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.0.options().get_max_connections())).encode(most)
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::metrics::Audience;

    use super::*;

    #[tokio::test]
    async fn a_process_says_its_version_its_connections_and_its_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let control =
            sqlx::postgres::PgPoolOptions::new().max_connections(7).connect_lazy("postgres://elt@nowhere/elt");
        let process = Process {
            command: "serve",
            control: control.expect("a pool"),
            data_dir: folder.path().into(),
            dropped_lines: Counter::default(),
        };
        let metrics = ProcessMetrics::default();
        register(&metrics, process);
        let text = metrics.text(Audience::Anyone).expect("a text");
        let build = format!(r#"elt_build_info{{version="{}",command="serve"}} 1"#, env!("CARGO_PKG_VERSION"));
        for line in [&build, "elt_control_connections{state=\"used\"} 0", "elt_control_connections_max 7"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        let (size, free) = space(folder.path()).expect("a file system");
        assert!(0 < size && free <= size, "{free} of {size}");
        assert_eq!(space(Path::new("/no/such/folder")), None);
    }
}
