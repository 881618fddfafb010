//! The one integration-test binary.

#[cfg(test)]
mod identity_use_cases;
