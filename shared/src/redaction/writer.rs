//! Writers of log lines that hide every value.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::hide;
use crate::driver_text::without_source_lines;

/// Makes writers of log lines that hide every value. Each line must be written at once, as `tracing_subscriber` does.
#[derive(Debug)]
pub struct HidingWriters<M>(pub M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for HidingWriters<M> {
    type Writer = HidingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        HidingWriter(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &tracing::Metadata<'_>) -> Self::Writer {
        HidingWriter(self.0.make_writer_for(metadata))
    }
}

/// Hides every value in what is written.
#[derive(Debug)]
pub struct HidingWriter<W>(W);

impl<W: io::Write> io::Write for HidingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(hide(&without_source_lines(&text)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::redaction::add;

    #[test]
    fn a_writer_hides_values_also_in_what_is_not_utf8() {
        add(&"c4n4ry-of-a-writer".into());
        let mut written = HidingWriter(Vec::new());
        written.write_all(b"\xff c4n4ry-of-a-writer\n").unwrap();
        assert_eq!(written.0, "\u{fffd} ***\n".as_bytes());
    }
}
