//! Rebuilds when a migration was added: the migrator is compiled in.
fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
