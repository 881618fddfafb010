# Short names for what scripts/ and cargo do; nothing here needs just.

# The list of recipes
default:
    @just --list

# A server with two companies between which leads are moving; nothing but this binary
demo *ARGS:
    cargo run --locked -- demo {{ARGS}}

# The server in embedded mode, keeping its data in ./leadmesh-data
dev *ARGS:
    cargo run --locked -- serve {{ARGS}}

# All tests in both modes, with a PostgreSQL and a Redis of their own
test *ARGS:
    scripts/test {{ARGS}}

# What CI asks of the text of the code
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    scripts/dependencies

# Writes schema.graphql, which is checked in
schema:
    cargo run --quiet --locked -- schema > schema.graphql.new
    mv schema.graphql.new schema.graphql

# Leads a second and latencies, in both modes
bench *ARGS:
    scripts/bench {{ARGS}}

# Faults of all kinds under load for ten minutes, then the ledgers; `just endure abuse` for callers who mean harm
endure *ARGS:
    scripts/endure {{ARGS}}

# Arbitrary input for everything that reads what strangers wrote; needs a C++ compiler
fuzz *ARGS:
    scripts/fuzz {{ARGS}}

# Rebuilds the checked-in pages: the API explorer and the portal; needs Node
pages:
    cd web/graphiql && npm ci --ignore-scripts && npm run check && npm run build
    cd web/portal && npm ci --ignore-scripts && npm run generate && npm run check && npm run build

# The portal in Chromium; needs Node
browser *ARGS:
    scripts/browser-test {{ARGS}}

# The clients in examples/clients; needs Node and Python
clients:
    scripts/client-test

# Takes the pictures of the documentation; needs Node and Chromium
screenshots:
    cargo build --locked
    cd web/portal && npm run screenshots

# A PostgreSQL and a Redis to work with, below /tmp; prints their addresses
services-up:
    scripts/services start /tmp/leadmesh-services-$(id -un) --durable
    @cat /tmp/leadmesh-services-$(id -un)/env

# Stops them; their data stays
services-down:
    scripts/services stop /tmp/leadmesh-services-$(id -un)

# Everything CI does
ci:
    bash .ci/run
