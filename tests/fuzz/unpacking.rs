//! What holds for any bytes as an archive or an encrypted file: it is unpacked or refused, and what comes out of it can be read
//! or is refused.

use std::sync::Arc;

use elt_shared::config::{Document, NoReferences};
use elt_worker::extract::containers::UnpackLimits;
use elt_worker::extract::http::SourceTokens;
use elt_worker::extract::{ExtractContext, YoungFiles, extract};
use elt_worker::frame::read;
use elt_worker::roots::Roots;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

/// The password of the encrypted files in `tests/fixtures/archives`.
const PASSWORD: &str = "open sesame";

/// Unpacks `bytes` as an archive or encrypted file of this name that lies in the folder of a source.
pub fn archive(name: &str, bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(unpacked(name, bytes));
}

async fn unpacked(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let (files, spool) = (folder.path().join("in"), folder.path().join("spool"));
    std::fs::create_dir(&files).and_then(|()| std::fs::create_dir(&spool)).expect("folders");
    std::fs::write(files.join(name), bytes).expect("written");
    let yaml = format!(
        "sources:\n- {{type: local, path: {files:?}, settle_seconds: 0, pgp: {{passphrase: {PASSWORD}}}, \
         archive: {{password: {PASSWORD}}}}}\ntarget: {{table: t}}\n"
    );
    let config = Document::parse(&yaml).and_then(|document| document.pipeline(&NoReferences)).expect("a config").value;
    let context = ExtractContext {
        base: folder.path().to_owned(),
        spool,
        roots: Roots::default(),
        never: Vec::new(),
        network: Arc::default(),
        default_target: None,
        ssh_agent: None,
        cloud: Default::default(),
        tokens: SourceTokens::default(),
        // It is never asked, because files need nothing from it.
        control: PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new_without_pgpass()),
        stop: CancellationToken::new(),
        progress: Arc::default(),
        young: YoungFiles::Take,
        files: Default::default(),
        unpack: UnpackLimits { bytes: 256 << 20, keep_free: 0, ..UnpackLimits::default() },
        values: Vec::new(),
        old_below: Vec::new(),
        read_before: Vec::new(),
    };
    let Ok(extracted) = extract(&config, &context).await else { return };
    for (index, file) in extracted.files.iter().enumerate() {
        let Ok(mut reader) = read::open(index, file) else { continue };
        while let Ok(Some(_)) = reader.next() {}
    }
}
