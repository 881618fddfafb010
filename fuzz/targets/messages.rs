//! What clients write to the server: messages of a socket, requests over HTTP.
#![no_main]

use leadmesh_http::graphql::Parameters;
use leadmesh_http::graphql::is_socket_message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        is_socket_message(text);
    }
    if let Ok(parameters) = serde_json::from_slice::<Parameters>(data) {
        assert_ne!(parameters.operation(), Some(""));
    }
});
