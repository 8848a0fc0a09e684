//! An extraction without a run around it: a control database, a spool, and nothing else.

use elt_shared::settings::NetworkSettings;
use elt_shared::store::{self, Limits};
use elt_worker::error::PipelineError;
use elt_worker::extract::{ExtractContext, Extracted, YoungFiles};
use tokio_util::sync::CancellationToken;

use super::database::Databases;
use super::folder::Folder;

/// See the module.
pub struct Extraction {
    pub context: ExtractContext,
    pub folder: Folder,
    _databases: Databases,
}

impl Extraction {
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let databases = Databases::create().await;
        let folder = Folder::new();
        let context = ExtractContext {
            base: folder.path().into(),
            spool: folder.path().join("spool"),
            roots: vec![folder.path().into()].into(),
            never: Vec::new(),
            network: Default::default(),
            default_target: None,
            ssh_agent: None,
            cloud: Default::default(),
            tokens: Default::default(),
            control: store::connect(databases.control.clone(), 4, Limits::WORK).await.expect("connected"),
            stop: CancellationToken::new(),
            progress: Default::default(),
            young: YoungFiles::Wait,
            files: Default::default(),
            unpack: Default::default(),
            values: Vec::new(),
            old_below: Vec::new(),
            read_before: Vec::new(),
        };
        Self { context, folder, _databases: databases }
    }

    /// The same with requests through a proxy.
    pub fn with_proxy(mut self, proxy: &str, deny: &[&str]) -> Self {
        self = self.with_network(deny, &[]);
        let network = NetworkSettings { http_proxy: Some(proxy.into()), ..(*self.context.network).clone() };
        self.context.network = network.into();
        self
    }

    /// The same with other rules for hosts.
    pub fn with_network(mut self, deny: &[&str], allow: &[&str]) -> Self {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a rule")).collect();
        self.context.network =
            NetworkSettings { net_deny: rules(deny), net_allow: rules(allow), ..Default::default() }.into();
        self
    }
}

/// The names and texts of what was extracted.
pub fn texts(extracted: &Extracted) -> Vec<(String, String)> {
    let text = |path| std::fs::read_to_string(path).expect("a text");
    extracted.files.iter().map(|file| (file.name.clone(), text(&file.path))).collect()
}

/// `code: message`, without the port, which differs from test to test.
pub fn failure(result: Result<Extracted, PipelineError>, port: u16) -> String {
    let error = result.expect_err("the source is bad");
    assert!(!error.next_step().is_empty(), "{error}");
    format!("{}: {error}", error.code()).replace(&format!(":{port}"), ":PORT")
}
