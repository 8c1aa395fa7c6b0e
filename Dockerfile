# The binary brings its own SQLite, libpq and OpenSSL; at run time it needs glibc and the roots of trust.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# Dependencies alone first: this layer is built anew only when they change.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs \
    && cargo build --locked --release \
    && rm -r src
COPY . .
# Cargo goes by time of change, and the files are older than what was just built.
RUN touch build.rs src/lib.rs src/main.rs && cargo build --locked --release

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=65532 --group=65532 /data
COPY --from=build /src/LICENSE-APACHE /src/LICENSE-MIT /usr/share/doc/paybridge/
COPY --from=build /src/target/release/paybridge /usr/local/bin/paybridge
USER 65532:65532
# paybridge.toml is looked for here, and paybridge.db is made here unless database.url says otherwise.
WORKDIR /data
VOLUME /data
ENV PAYBRIDGE__SERVER__BIND=0.0.0.0:8080
EXPOSE 8080
# Whether the process answers, not whether it is ready: a new container would not bring the database back.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["paybridge", "healthcheck", "--url", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["paybridge"]
CMD ["serve"]
