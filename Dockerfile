# retrain in a container, without the emulator:
#   docker build -t retrain-runner .
#   docker run --rm -v "$PWD:/work:ro" -v retrain-state:/state -e CHURN_API_KEY retrain-runner run models.yaml
FROM python:3.13.9-slim-bookworm AS builder
WORKDIR /source
RUN python -m venv /opt/retrain
COPY requirements/run.lock requirements/run.lock
RUN /opt/retrain/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY runner runner
# The lock also holds what the emulator and the build need; the image does without them.
RUN /opt/retrain/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/retrain/bin/pip uninstall --yes scikit-learn scipy numpy joblib threadpoolctl narwhals cloudpickle werkzeug \
    hatchling editables packaging pathspec pluggy tomlkit trove-classifiers

FROM python:3.13.9-slim-bookworm
COPY --from=builder /opt/retrain /opt/retrain
# A new volume takes owner and mode of the folder it is mounted on.
RUN install -d -m 0700 -o 10001 -g 10001 /state
ENV PATH=/opt/retrain/bin:$PATH RETRAIN_STATE=/state/retrain PYTHONUNBUFFERED=1
WORKDIR /work
USER 10001:10001
VOLUME /state
ENTRYPOINT ["retrain"]
CMD ["--help"]
