//! The first message of a session. The driver puts `PGOPTIONS` of this process into it, so its options are replaced.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// No first message of the driver is longer.
const MOST: u32 = 64 << 10;
/// Bytes of the length and the version.
const HEADER: usize = 8;

/// Reads the driver's first message and returns it with these options.
pub(super) async fn read(driver: &mut (impl AsyncRead + Unpin), options: &str) -> io::Result<Vec<u8>> {
    let length = driver.read_u32().await?;
    if length < HEADER as u32 || length > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the driver's first message has an absurd length"));
    }
    let mut rest = vec![0; length as usize - 4];
    driver.read_exact(&mut rest).await?;
    Ok(with_options(&rest, options))
}

/// A first message, from the driver's without its length.
fn with_options(message: &[u8], options: &str) -> Vec<u8> {
    let (version, parameters) = message.split_at_checked(4).unwrap_or((message, &[]));
    let mut texts = parameters.split(|byte| *byte == 0);
    let mut body = version.to_vec();
    let mut put = |name: &[u8], value: &[u8]| body.extend([name, &[0], value, &[0]].concat());
    while let (Some(name), Some(value)) = (texts.next().filter(|name| !name.is_empty()), texts.next()) {
        if name != b"options" {
            put(name, value);
        }
    }
    put(b"options", options.as_bytes());
    body.push(0);
    [&(body.len() as u32 + 4).to_be_bytes(), body.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_the_driver_are_replaced() {
        let driver = b"\0\x03\0\0user\0ann\0options\0-c role=root\0application_name\0elt\0\0";
        let message = with_options(driver, "-c TimeZone=UTC");
        let expected = b"\0\x03\0\0user\0ann\0application_name\0elt\0options\0-c TimeZone=UTC\0\0";
        assert_eq!(message[4..], expected[..]);
        assert_eq!(message[..4], (expected.len() as u32 + 4).to_be_bytes());
    }
}
