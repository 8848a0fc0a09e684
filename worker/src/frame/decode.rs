//! The bytes of a file become UTF-8 text: they are hashed as they are read, decompressed and decoded.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use elt_shared::config::TextEncoding;
use elt_shared::explained::Code;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use xxhash_rust::xxh3::Xxh3;

use super::encoding_guess::{self, Guess};
use super::read::FileError;
use crate::input::{InputFile, decompressed};

/// The byte that takes the place of bytes which are invalid in the file's encoding. It is not valid UTF-8, so that its record
/// is rejected.
const UNDECODABLE: u8 = 0xFF;
/// Bytes at the beginning of a file by which UTF-16 is recognised.
const START_BYTES: usize = 4 << 10;
/// Bytes by which an encoding is guessed, from the first one that is not ASCII on.
const SAMPLE_BYTES: usize = 256 << 10;

/// The text of a file, read once from start to end.
pub(super) struct Text {
    reader: Box<dyn Read + Send>,
    seen: Arc<Mutex<Seen>>,
    name: String,
    encoding: FoundEncoding,
}

/// The encoding of a file as it is shown.
#[derive(Debug, Clone)]
pub(super) struct ShownEncoding {
    /// Its WHATWG name in lower case.
    pub name: String,
    /// A sentence for the report about a guess.
    pub warning: Option<String>,
}

/// The encoding of a file.
enum FoundEncoding {
    Known(&'static Encoding),
    /// It is guessed at the first byte that is not ASCII. Until then the text is the same in all encodings that are guessed.
    Guessed(Arc<OnceLock<Guess>>),
}

/// Number and hash of the bytes that were read of the file.
#[derive(Default)]
struct Seen {
    bytes: u64,
    hash: Xxh3,
}

/// Counts and hashes the bytes of the file as they are on disk.
struct Hashed {
    file: File,
    seen: Arc<Mutex<Seen>>,
}

impl Read for Hashed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(out)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.bytes += count as u64;
        seen.hash.update(&out[..count]);
        Ok(count)
    }
}

impl Text {
    /// Opens a file and finds its encoding: by its byte order mark, else as the config says, else UTF-8.
    pub(super) fn open(file: &InputFile) -> Result<Self, FileError> {
        Self::open_as(file, None)
    }

    /// Opens a file that is in an encoding unless its byte order mark says another one.
    pub(super) fn open_in(file: &InputFile, encoding: &'static Encoding) -> Result<Self, FileError> {
        Self::open_as(file, Some(encoding))
    }

    fn open_as(file: &InputFile, encoding: Option<&'static Encoding>) -> Result<Self, FileError> {
        let failed = |error: io::Error| FileError::io(&file.name, &error);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let hashed = Hashed { file: file.open().map_err(failed)?, seen: seen.clone() };
        let mut bytes = decompressed(hashed, file.compression).map_err(failed)?;
        let is_guessed = encoding.is_none() && file.options.encoding(file.format) == TextEncoding::Guessed;
        let wanted = if is_guessed { START_BYTES } else { 3 };
        let mut start = Vec::with_capacity(wanted);
        bytes.by_ref().take(wanted as u64).read_to_end(&mut start).map_err(failed)?;
        let found = Encoding::for_bom(&start);
        let bom = found.map_or(0, |(_, bom)| bom);
        let guess = encoding_guess::utf_16(&start).filter(|_| is_guessed && found.is_none());
        let rest = io::Cursor::new(start.split_off(bom)).chain(bytes);
        let (reader, encoding): (Box<dyn Read + Send>, _) = match (found, guess) {
            (None, None) if is_guessed => {
                let guess = Arc::new(OnceLock::new());
                (Box::new(Guessing::new(rest, guess.clone())), FoundEncoding::Guessed(guess))
            }
            (None, Some(guess)) => {
                (Box::new(Decoded::new(rest, guess.encoding)), FoundEncoding::Guessed(Arc::new(guess.into())))
            }
            (found, _) => {
                let encoding = match (found, encoding) {
                    (Some((encoding, _)), _) | (None, Some(encoding)) => encoding,
                    (None, None) => declared(file)?,
                };
                let reader: Box<dyn Read + Send> =
                    if encoding == UTF_8 { Box::new(rest) } else { Box::new(Decoded::new(rest, encoding)) };
                (reader, FoundEncoding::Known(encoding))
            }
        };
        Ok(Self { reader, seen, name: file.name.clone(), encoding })
    }

    /// The encoding that the text is decoded from. `None`: it is guessed.
    pub(super) fn known_encoding(&self) -> Option<&'static Encoding> {
        match &self.encoding {
            FoundEncoding::Known(encoding) => Some(encoding),
            FoundEncoding::Guessed(_) => None,
        }
    }

    /// The encoding, as far as it is known from the text that was read.
    pub(super) fn encoding(&self) -> ShownEncoding {
        let (encoding, warning) = match &self.encoding {
            FoundEncoding::Known(encoding) => (*encoding, None),
            FoundEncoding::Guessed(guess) => match guess.get() {
                Some(guess) => (guess.encoding, guess.warning.clone()),
                None => (UTF_8, None),
            },
        };
        ShownEncoding { name: encoding.name().to_ascii_lowercase(), warning }
    }

    /// Fills `out` from the front. Returns the number of bytes, which is less than its length only at the end of the text.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.reader.read(&mut out[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FileError::io(&self.name, &error)),
            }
        }
        Ok(filled)
    }

    /// The file's name as people see it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Number and hash of the bytes that were read so far: those of the whole file once the text has ended.
    pub(super) fn seen(&self) -> (u64, u128) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.bytes, seen.hash.digest128())
    }
}

/// The encoding that the config names; UTF-8 when it names none.
pub(super) fn declared(file: &InputFile) -> Result<&'static Encoding, FileError> {
    let TextEncoding::Named(label) = file.options.encoding(file.format) else { return Ok(UTF_8) };
    let found = match label.to_ascii_lowercase().as_str() {
        "utf16" | "utf-16" | "utf_16" | "utf-16-le" | "utf_16_le" => Some(UTF_16LE),
        "utf-16-be" | "utf_16_be" => Some(UTF_16BE),
        "utf8-sig" | "utf-8-sig" | "utf_8_sig" | "utf_8" => Some(UTF_8),
        "latin_1" | "iso8859_1" | "iso-8859-1" | "latin-1" | "latin1" => Encoding::for_label(b"latin1"),
        other => {
            Encoding::for_label(other.as_bytes()).or_else(|| Encoding::for_label(other.replace('_', "-").as_bytes()))
        }
    };
    found.ok_or_else(|| {
        FileError::new(Code::UnknownEncoding, &file.name, None, format_args!("the encoding {label:?} is not known"))
            .hint("Write a name such as utf-8, utf-16le, windows-1252 or iso-8859-15 in csv.encoding.")
    })
}

/// Decodes bytes to UTF-8 as they are read.
struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    input: Vec<u8>,
    taken: usize,
    have: usize,
    output: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_without_bom_handling(),
            input: vec![0; 32 << 10],
            taken: 0,
            have: 0,
            output: Vec::with_capacity(100 << 10),
            given: 0,
            ended: false,
        }
    }

    /// Decodes until there is output or the input has ended.
    fn refill(&mut self) -> io::Result<()> {
        self.output.clear();
        self.given = 0;
        let mut scratch = [0; 4 << 10];
        while self.output.is_empty() && !self.ended {
            if self.taken == self.have {
                self.have = self.inner.read(&mut self.input)?;
                self.taken = 0;
            }
            let last = self.have == 0;
            loop {
                let source = &self.input[self.taken..self.have];
                let (result, read, written) =
                    self.decoder.decode_to_utf8_without_replacement(source, &mut scratch, last);
                self.taken += read;
                self.output.extend_from_slice(&scratch[..written]);
                match result {
                    DecoderResult::InputEmpty => break,
                    DecoderResult::OutputFull => {}
                    DecoderResult::Malformed(..) => self.output.push(UNDECODABLE),
                }
            }
            self.ended = last;
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.output.len() {
            self.refill()?;
        }
        let count = out.len().min(self.output.len() - self.given);
        out[..count].copy_from_slice(&self.output[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// Passes ASCII text on, and guesses the encoding at the first byte that is not ASCII.
struct Guessing<R> {
    state: GuessingState<R>,
    guess: Arc<OnceLock<Guess>>,
}

enum GuessingState<R> {
    /// Everything so far was ASCII. The bytes were read and are not.
    Ascii(R, Vec<u8>),
    Decided(Box<dyn Read + Send>),
    /// Between two states.
    Changing,
}

impl<R: Read + Send + 'static> Guessing<R> {
    fn new(inner: R, guess: Arc<OnceLock<Guess>>) -> Self {
        Self { state: GuessingState::Ascii(inner, Vec::new()), guess }
    }

    /// Guesses the encoding of the text that begins with `sample`.
    fn decide(&mut self, mut inner: R, mut sample: Vec<u8>) -> io::Result<Box<dyn Read + Send>> {
        let missing = SAMPLE_BYTES.saturating_sub(sample.len());
        inner.by_ref().take(missing as u64).read_to_end(&mut sample)?;
        let ended = sample.len() < SAMPLE_BYTES;
        let guess = encoding_guess::guess(&sample, ended);
        let encoding = guess.encoding;
        // The cell is set here and nowhere else.
        let _ = self.guess.set(guess);
        let rest = io::Cursor::new(sample).chain(inner);
        Ok(if encoding == UTF_8 { Box::new(rest) } else { Box::new(Decoded::new(rest, encoding)) })
    }
}

impl<R: Read + Send + 'static> Read for Guessing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, GuessingState::Changing) {
                GuessingState::Ascii(mut inner, pending) if pending.is_empty() => {
                    let count = inner.read(out)?;
                    let ascii = out[..count].iter().position(|byte| !byte.is_ascii()).unwrap_or(count);
                    self.state = GuessingState::Ascii(inner, out[ascii..count].to_vec());
                    if ascii > 0 || count == 0 {
                        return Ok(ascii);
                    }
                }
                GuessingState::Ascii(inner, pending) => {
                    self.state = GuessingState::Decided(self.decide(inner, pending)?);
                }
                GuessingState::Decided(mut reader) => {
                    let count = reader.read(out);
                    self.state = GuessingState::Decided(reader);
                    return count;
                }
                GuessingState::Changing => return Err(io::Error::other("the text could not be read before")),
            }
        }
    }
}
