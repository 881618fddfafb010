//! Writes an answer within its limit of bytes.
//!
//! The budget counted the bytes when the values were made, without escapes; here they are exact.

use std::io;

use serde::Serialize;

use super::budget::too_large;
use leadmesh_core::error::Error;

/// Why an answer cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It exceeds the limit.
    #[error("the answer is too large")]
    TooLarge(Error),
    /// It is not JSON, which is a bug.
    #[error("the answer cannot be written as JSON: {0}")]
    NotJson(#[source] serde_json::Error),
}

/// The JSON of `answer`, of at most `most` bytes.
pub fn json(answer: &impl Serialize, most: u64) -> Result<Vec<u8>, WriteError> {
    let mut written = BoundedWriter {
        bytes: Vec::new(),
        most: usize::try_from(most).unwrap_or(usize::MAX),
        is_full: false,
    };
    match serde_json::to_writer(&mut written, answer) {
        Ok(()) => Ok(written.bytes),
        Err(_) if written.is_full => Err(WriteError::TooLarge(too_large(most))),
        Err(error) => Err(WriteError::NotJson(error)),
    }
}

struct BoundedWriter {
    bytes: Vec<u8>,
    most: usize,
    is_full: bool,
}

impl io::Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.most {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_up_to_its_last_byte() {
        assert_eq!(json(&"four", 6).unwrap(), br#""four""#);
        assert!(matches!(json(&"four", 5), Err(WriteError::TooLarge(_))));
        // Six bytes each once escaped.
        assert!(matches!(json(&"\u{1}".repeat(100), 500), Err(WriteError::TooLarge(_))));
    }
}
