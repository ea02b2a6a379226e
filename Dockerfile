# retrain in a container, without the emulator:
#   docker build -t retrain-runner .
#   docker run --rm -v "$PWD:/work:ro" -v retrain-state:/state -e CHURN_API_KEY retrain-runner run models.yaml
FROM python:3.13.9-slim-bookworm@sha256:b685a4fa58bb19d1814d78a1ec0f0208f351452724f78b20212c984d6e124a34 AS builder
WORKDIR /source
RUN python -m venv /opt/build && python -m venv /opt/retrain
COPY requirements/build.lock requirements/core.lock requirements/
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.lock \
    && /opt/retrain/bin/pip install --no-cache-dir --require-hashes -r requirements/core.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY runner runner
COPY emulator emulator
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheel \
    && /opt/retrain/bin/pip install --no-cache-dir --no-deps /wheel/*.whl

FROM python:3.13.9-slim-bookworm@sha256:b685a4fa58bb19d1814d78a1ec0f0208f351452724f78b20212c984d6e124a34
COPY --from=builder /opt/retrain /opt/retrain
# A new volume takes owner and mode of the folder it is mounted on.
RUN install -d -m 0700 -o 10001 -g 10001 /state
ENV PATH=/opt/retrain/bin:$PATH RETRAIN_STATE=/state/retrain PYTHONUNBUFFERED=1
WORKDIR /work
USER 10001:10001
VOLUME /state
ENTRYPOINT ["retrain"]
CMD ["--help"]
