//! The one integration-test binary.

mod identity_use_cases;
