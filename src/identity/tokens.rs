//! stand-in
use crate::config::Secret;
/// .
#[derive(Clone, Debug)]
pub struct TokenKeys;
impl TokenKeys {
    /// .
    pub fn new(_secret: &Secret) -> Self {
        Self
    }
}
