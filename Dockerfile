# Two images: the sidecar (the last stage, and so the default) and the ledger (--target ledger).
# Both run as one unprivileged user and write nothing but their data folder, so the root may be read-only.
ARG PYTHON=3.13-slim-bookworm
ARG RUST=1.95-slim-bookworm
ARG NODE=22-bookworm-slim

FROM rust:${RUST} AS rust

# The ledger's console: its packages by their lock, its types from the protos.
FROM node:${NODE} AS console
WORKDIR /source/ledger/console
COPY ledger/console/package.json ledger/console/package-lock.json ledger/console/.npmrc ./
RUN npm ci
COPY protos/ /source/protos/
COPY ledger/console/ ./
RUN npm run build

FROM python:${PYTHON} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The linker and libc's headers come in the version of the base image, whatever that is.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH
WORKDIR /source
# Dependencies first: they change less often than the sources, and their layers are kept.
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes --requirement requirements/build.lock \
    && python -m venv /opt/sidecar \
    && /opt/sidecar/bin/pip install --no-cache-dir --require-hashes --requirement requirements/sidecar.lock \
    && python -m venv /opt/ledger \
    && /opt/ledger/bin/pip install --no-cache-dir --require-hashes --requirement requirements/ledger.lock
COPY . .
COPY --from=console /source/ledger/holdfast_ledger/console/static/ ledger/holdfast_ledger/console/static/
# The native module is optional to a build; an image without it is a mistake.
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m zipfile --list /wheels/*.whl | grep --quiet _native \
    && /opt/sidecar/bin/pip install --no-cache-dir --no-deps /wheels/*.whl \
    && /opt/ledger/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:${PYTHON} AS runtime
RUN useradd --uid 65532 --user-group --no-create-home --shell /usr/sbin/nologin holdfast \
    && install --directory --owner holdfast --group holdfast --mode 0700 /var/lib/holdfast
ENV PATH=/opt/holdfast/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/holdfast
USER 65532:65532
VOLUME /var/lib/holdfast

FROM runtime AS ledger
COPY --from=build /opt/ledger /opt/holdfast
ENV HOLDFAST_LEDGER_DATABASE=/var/lib/holdfast/ledger.sqlite HOLDFAST_LEDGER_LISTEN=0.0.0.0:7420
EXPOSE 7420
ENTRYPOINT ["/opt/holdfast/bin/python", "-m", "holdfast.cli"]
CMD ["ledger"]

FROM runtime AS sidecar
COPY --from=build /opt/sidecar /opt/holdfast
ENV HOLDFAST_SIDECAR_FOLDER=/var/lib/holdfast
EXPOSE 7070 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/opt/holdfast/bin/python", "-m", "holdfast_sidecar.observe.probe", "127.0.0.1:7070", "liveness"]
ENTRYPOINT ["/opt/holdfast/bin/python", "-m", "holdfast.cli"]
CMD ["sidecar"]
