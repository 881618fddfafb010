//! The checks of a diagnosis: what each found, and what to do.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub passed: bool,
    pub message: String,
    /// What to do, if the check failed.
    pub remedy: Option<String>,
}

pub fn passed(name: &'static str, message: impl Into<String>) -> Check {
    Check {
        name,
        passed: true,
        message: message.into(),
        remedy: None,
    }
}

pub fn failed(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        name,
        passed: false,
        message: message.into(),
        remedy: Some(remedy.into()),
    }
}
