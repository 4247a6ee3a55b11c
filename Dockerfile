# Two stages: what builds is left behind. Runs as nobody in particular, and on a read-only file system with /tmp in memory.
# The version is pinned here; your registry's digest is better still: --build-arg PYTHON=python:3.12.11-slim-bookworm@sha256:…
ARG PYTHON=python:3.12.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY cds_service cds_service
COPY criteria criteria
COPY mappings mappings
COPY fixtures fixtures
# Compiled here: the file system it runs on may be read-only. Then pip goes: what runs installs nothing.
RUN python -m venv /opt/cds-service \
    && /opt/cds-service/bin/pip install --no-cache-dir '.[postgresql]' \
    && /opt/cds-service/bin/python -m compileall -q /opt/cds-service \
    && /opt/cds-service/bin/pip uninstall --yes pip

FROM ${PYTHON}
RUN python -m pip uninstall --yes pip \
    && groupadd --system --gid 10001 cds \
    && useradd --system --uid 10001 --gid cds --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cds
COPY --from=build /opt/cds-service /opt/cds-service
ENV PATH=/opt/cds-service/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["cds-service"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--workers", "2"]
