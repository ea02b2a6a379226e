# This repository's manifest and data, to be run by deploy/kubernetes/cronjob.yaml. Build it in the root of the repository.
FROM python:3.13.9-slim-bookworm@sha256:b685a4fa58bb19d1814d78a1ec0f0208f351452724f78b20212c984d6e124a34
WORKDIR /srv/models
COPY retrain-dependencies.lock retrain-requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r retrain-dependencies.lock \
    && pip install --no-cache-dir --no-deps --no-build-isolation -r retrain-requirements.txt
COPY models.yaml .
COPY approvals approvals
COPY data data
USER 10001:10001
ENV RETRAIN_STATE=/state/retrain
ENTRYPOINT ["retrain"]
