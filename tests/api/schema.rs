//! The schema as it is checked in.

use leadmesh_graphql::schema::sdl;

#[test]
fn the_checked_in_schema_is_that_of_the_code() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    if std::env::var_os("LEADMESH_WRITE_SCHEMA").is_some() {
        std::fs::write(file, sdl()).unwrap();
    }
    let checked_in = std::fs::read_to_string(file).unwrap();
    assert!(
        checked_in == sdl(),
        "schema.graphql is not that of the code: run `just schema`"
    );
}
