# This repository's manifest and data, to be run by deploy/kubernetes/cronjob.yaml. Build it in the root of the repository.
FROM python:3.13.9-slim-bookworm
WORKDIR /srv/models
COPY retrain-requirements.txt .
RUN pip install --no-cache-dir -r retrain-requirements.txt
COPY models.yaml .
COPY approvals approvals
COPY data data
USER 10001:10001
ENV RETRAIN_STATE=/state/retrain
ENTRYPOINT ["retrain"]
