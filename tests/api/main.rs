//! The one integration-test binary.

#[cfg(test)]
mod flow_use_cases;
