# The service as a container, in three targets:
#
#   api    asks OpenAI's transcription API or a compatible server; small
#   local  has the local engine and its packaged English model, too; built where no target is named
#   cuda   the same on a base with NVIDIA's libraries
#
# Any builder takes it. The same inputs give the same layers of `api` and `local`: what is installed is locked by hash, code
# is compiled without times, and all that a layer holds has the time EPOCH. With the build argument SOURCE_DATE_EPOCH,
# BuildKit gives its own records that time as well, and so the image the same digest.

# To be pinned by digest where it matters: --build-arg BASE=python:3.12-slim-bookworm@sha256:...
ARG BASE=python:3.12-slim-bookworm
ARG CUDA_BASE=nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04


# What is installed, the locked packages in /venv and the service in /app, goes from /out to the root of an image: a copy keeps
# the times of all that is in a folder, not that of the folder.

FROM ${BASE} AS builder
ENV EPOCH=315532800 SOURCE_DATE_EPOCH=315532800 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 PIP_NO_DEPS=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY services/pack services/

FROM builder AS api-packages
COPY requirements/server.txt requirements/
RUN python3 -m venv --without-pip /venv \
 && python3 -m pip --python /venv/bin/python install --no-compile --only-binary=:all: --require-hashes \
      -r requirements/server.txt \
 && echo /app >"$(echo /venv/lib/python3.*/site-packages)/app.pth" \
 && services/pack /venv

FROM builder AS local-packages
COPY requirements/local.txt requirements/
RUN python3 -m venv --without-pip /venv \
 && python3 -m pip --python /venv/bin/python install --no-compile --only-binary=:all: --require-hashes \
      -r requirements/local.txt \
 && echo /app >"$(echo /venv/lib/python3.*/site-packages)/app.pth" \
 && services/pack /venv

FROM ${CUDA_BASE} AS cuda-python
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 && rm -rf /var/lib/apt/lists/*

FROM cuda-python AS cuda-packages
ENV EPOCH=315532800 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 PIP_NO_DEPS=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip python3-venv && rm -rf /var/lib/apt/lists/*
COPY services/pack services/
COPY requirements/local.txt requirements/
RUN python3 -m venv --without-pip /venv \
 && python3 -m pip --python /venv/bin/python install --no-compile --only-binary=:all: --require-hashes \
      -r requirements/local.txt \
 && echo /app >"$(echo /venv/lib/python3.*/site-packages)/app.pth" \
 && services/pack /venv

# The description of the package, README.md, is left out: to change it changes no image.
FROM builder AS app
COPY requirements/build.txt requirements/
RUN python3 -m venv --without-pip /hatchling \
 && python3 -m pip --python /hatchling/bin/python install --only-binary=:all: --require-hashes -r requirements/build.txt \
 && python3 -m venv --without-pip /venv \
 && mkdir -p /owned/data && touch --date="@$EPOCH" /owned/data
COPY LICENSE pyproject.toml ./
COPY services/transcriber services/transcriber
RUN touch README.md \
 && python3 -m pip --python /hatchling/bin/python wheel --no-build-isolation --wheel-dir wheels . \
 && python3 -m pip --python /venv/bin/python install --no-compile --no-index --target /app wheels/*.whl \
 && services/pack /app


# Official images ship the standard library uncompiled, which costs a start at a quarter of a processor ten seconds.
FROM builder AS library
RUN library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -x '/(site-packages|ensurepip|idlelib)/' "$library" \
 && mkdir /out \
 && find "$library" -name __pycache__ -exec cp --recursive --parents --target-directory=/out {} + \
 && find /out -exec touch --date="@$EPOCH" {} +


# What runs: copies alone, since what a command leaves has the time of the build.

FROM ${BASE} AS api
ENV PATH=/app/bin:/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
COPY --from=library /out /
COPY --from=api-packages /out /
COPY --from=app /out /
COPY --from=app --chown=10001:10001 /owned /
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["/venv/bin/python", "-S", "-P", "/app/transcriber/probe.py"]
LABEL org.opencontainers.image.title="transcriber" \
      org.opencontainers.image.description="Real-time transcription with a transcription API" \
      org.opencontainers.image.licenses="MIT"
ENTRYPOINT ["transcriber"]
CMD ["serve"]

FROM cuda-python AS cuda
ENV PATH=/app/bin:/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8080 DATA_DIR=/data HF_HOME=/data/models \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-packages /out /
COPY --from=app /out /
COPY --from=app --chown=10001:10001 /owned /
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["/venv/bin/python", "-S", "-P", "/app/transcriber/probe.py"]
LABEL org.opencontainers.image.title="transcriber" \
      org.opencontainers.image.description="Real-time transcription with a local engine on CUDA, or a transcription API" \
      org.opencontainers.image.licenses="MIT"
ENTRYPOINT ["transcriber"]
CMD ["serve"]

FROM ${BASE} AS local
ENV PATH=/app/bin:/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8080 DATA_DIR=/data HF_HOME=/data/models
COPY --from=library /out /
COPY --from=local-packages /out /
COPY --from=app /out /
COPY --from=app --chown=10001:10001 /owned /
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["/venv/bin/python", "-S", "-P", "/app/transcriber/probe.py"]
LABEL org.opencontainers.image.title="transcriber" \
      org.opencontainers.image.description="Real-time transcription with a local engine, or a transcription API" \
      org.opencontainers.image.licenses="MIT"
ENTRYPOINT ["transcriber"]
CMD ["serve"]
