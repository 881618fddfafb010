//! What a diagnosis is made of: looks, each with what was found and what to do about it.

/// One look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// At what.
    pub name: &'static str,
    /// Whether all is well there.
    pub passed: bool,
    /// What was found.
    pub message: String,
    /// What to do, where something is wrong.
    pub remedy: Option<String>,
}

/// All is well there.
pub fn passed(name: &'static str, message: impl Into<String>) -> Check {
    Check {
        name,
        passed: true,
        message: message.into(),
        remedy: None,
    }
}

/// Something is wrong there.
pub fn failed(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        name,
        passed: false,
        message: message.into(),
        remedy: Some(remedy.into()),
    }
}
