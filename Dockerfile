# The one binary in a small image. Neither stage names where its image comes from: a build sets `--build-arg` to the host,
# and better the digest, that its users trust.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:12.12-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY proto proto
COPY ledger ledger
COPY services services
COPY tests tests
RUN cargo build --release --locked --bin mediation

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="mediation" \
      org.opencontainers.image.description="Multi-agency mediation ledger" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
# The roots that clients of others trust: the client of KurrentDB loads the system's even where it is told its own.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /source/target/release/mediation /usr/local/bin/mediation
# A number, so that an orchestrator sees that it is not root's.
USER 10001:10001
WORKDIR /
EXPOSE 7443 7444 7480 7481
# No init beside it: the process handles SIGTERM and SIGINT as process 1 does, and starts no others that it would have to
# wait for. No HEALTHCHECK either: probes ask the process by gRPC.
ENTRYPOINT ["/usr/local/bin/mediation"]
