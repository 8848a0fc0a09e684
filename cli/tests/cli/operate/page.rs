//! The pages in folders of `docs`, and the fenced blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

/// The pages whose blocks are run on one machine, in this order: services first, and last what changes their passwords.
pub const ON_ONE_MACHINE: [&str; 5] =
    ["install.md", "reverse-proxy.md", "sizing.md", "troubleshooting.md", "kubernetes.md"];

/// A page with its blocks.
pub struct Page {
    /// `install.md`
    pub name: String,
    pub blocks: Vec<Block>,
}

/// What stands between two fences.
pub struct Block {
    /// The line of the first fence, from 1.
    pub line: usize,
    /// What follows the first fence: `sh`, `yaml values`.
    pub info: String,
    pub text: String,
}

impl Block {
    /// Whether the page says that this block cannot be run everywhere: its first line begins with `# example:`.
    pub fn is_example(&self) -> bool {
        self.text.starts_with("# example:")
    }

    /// Whether it is for a shell.
    pub fn is_shell(&self) -> bool {
        self.info.split(' ').next() == Some("sh")
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join("docs").join(name)
}

/// All pages for operators.
pub fn all() -> Vec<Page> {
    all_in("operate")
}

/// All pages in this folder of `docs`.
fn all_in(name: &str) -> Vec<Page> {
    let entries = fs::read_dir(folder(name)).expect("the pages").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".md")).map(|page| read_in(name, &page)).collect()
}

/// The pages for people who write configs.
pub fn for_configs() -> Vec<Page> {
    ["sources", "use"].into_iter().flat_map(all_in).collect()
}

/// The page of this name for operators.
pub fn read(name: &str) -> Page {
    read_in("operate", name)
}

fn read_in(in_folder: &str, name: &str) -> Page {
    let text = fs::read_to_string(folder(in_folder).join(name)).expect(name);
    Page { name: name.to_owned(), blocks: blocks(&text) }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { line: at + 1, info: info.to_owned(), text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

#[test]
fn blocks_are_found_with_their_lines() {
    let found = blocks("# A\n```sh\none\ntwo\n```\ntext\n```yaml values\n# example: x\n```\n");
    let found: Vec<_> = found.iter().map(|block| (block.line, &*block.info, &*block.text)).collect();
    assert_eq!(found, [(2, "sh", "one\ntwo\n"), (7, "yaml values", "# example: x\n")]);
}
