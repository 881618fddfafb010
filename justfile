# Short names for commands of scripts/ and cargo, which also work without just.

# The list of recipes
default:
    @just --list

# Runs the demo: a server with two companies that exchange leads; needs only this binary
demo *ARGS:
    cargo run --locked -- demo {{ARGS}}

# Runs a server in embedded mode, with its data in ./leadmesh-data
dev *ARGS:
    cargo run --locked -- serve {{ARGS}}

# Runs all tests in both modes, with their own PostgreSQL and Redis
test *ARGS:
    scripts/test {{ARGS}}

# Checks format, clippy warnings and dependencies, as CI does
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    scripts/dependencies

# Updates schema.graphql, which is checked in
schema:
    cargo run --quiet --locked -- schema > schema.graphql.new
    mv schema.graphql.new schema.graphql

# Measures leads a second and latencies, in both modes
bench *ARGS:
    scripts/bench {{ARGS}}

# Injects faults under load for ten minutes and checks that nothing was lost; `just endure abuse` simulates an abusive account
endure *ARGS:
    scripts/endure {{ARGS}}

# Feeds arbitrary input to every parser; needs a C++ compiler
fuzz *ARGS:
    scripts/fuzz {{ARGS}}

# Rebuilds the checked-in pages: the API explorer and the portal; needs Node
pages:
    cd web/graphiql && npm ci --ignore-scripts && npm run check && npm run build
    cd web/portal && npm ci --ignore-scripts && npm run generate && npm run check && npm run build

# Tests the portal in Chromium; needs Node
browser *ARGS:
    scripts/browser-test {{ARGS}}

# Tests the clients in examples/clients; needs Node and Python
clients:
    scripts/client-test

# Takes the screenshots of the documents; needs Node and Chromium
screenshots:
    cargo build --locked
    cd web/portal && npm run screenshots

# Starts a PostgreSQL and a Redis to work with, in /tmp; prints their addresses
services-up:
    scripts/services start /tmp/leadmesh-services-$(id -un) --durable
    @cat /tmp/leadmesh-services-$(id -un)/env

# Stops them and keeps their data
services-down:
    scripts/services stop /tmp/leadmesh-services-$(id -un)

# Does everything that CI does
ci:
    bash .ci/run
