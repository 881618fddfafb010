# docker build -t leadmesh .

FROM rust:1.95-bookworm AS build
# Use the image's toolchain; rust-toolchain.toml would download linting tools.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src

COPY . .
# The cache mounts keep what earlier builds have compiled.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin leadmesh \
    && mkdir -p /out/data && cp target/release/leadmesh /out/

# Nothing needs to be installed: certificates and time zones are in the binary.
FROM debian:bookworm-slim
COPY --from=build /out/leadmesh /usr/local/bin/leadmesh
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /src/LICENSE-APACHE /src/LICENSE-MIT /usr/share/doc/leadmesh/
USER 65532:65532
WORKDIR /data
ENV LEADMESH_LISTEN=0.0.0.0:8080 LEADMESH_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# No HEALTHCHECK: the platform that runs the container calls GET /healthz (alive) and GET /readyz (ready for requests).
ENTRYPOINT ["leadmesh"]
CMD ["serve"]
