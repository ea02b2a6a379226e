"""Retrain a model, wait for it, download the result and switch: the bare calls, as a manual would show them.

Usage: python retrain.py URL TRAINING_FILE RESULT_FILE, with the API key in the variable PREDICTION_ONE_API_KEY.
"""

import os
import sys
import time
from pathlib import Path

import requests

SECONDS_BETWEEN_CHECKS = float(os.environ.get("SECONDS_BETWEEN_CHECKS", "30"))

base_url, training_file, result_file = sys.argv[1:4]
jobs_url = f"{base_url}/v1/external/retrain_jobs"
headers = {"x-api-key": os.environ["PREDICTION_ONE_API_KEY"]}

# 1. Retrain Data Upload: a job and the URL its data goes to. The retrain starts when the upload is complete.
answer = requests.get(
    f"{jobs_url}/upload_url", params={"filename": Path(training_file).name}, headers=headers, timeout=60
)
answer.raise_for_status()
job = answer.json()["retrain_job_id"]
with Path(training_file).open("rb") as file:
    requests.put(answer.json()["upload_url"], data=file.read(), timeout=600).raise_for_status()
print(f"started {job}")

# 2. Retrain Status Check, until the job is finished.
while True:
    answer = requests.get(f"{jobs_url}/{job}", headers=headers, timeout=60)
    answer.raise_for_status()
    status = answer.json()
    print(status["status"])
    if status["status"] == "job_finished":
        break
    if "fail" in status["status"]:
        sys.exit(status.get("message", "The retrain failed."))
    time.sleep(SECONDS_BETWEEN_CHECKS)

# The result is behind a signed URL, which takes no key.
result = requests.get(status["download_url"], timeout=600)
result.raise_for_status()
Path(result_file).write_bytes(result.content)

# 3. Retrain Model Switch: the retrained model serves from now on.
answer = requests.put(f"{jobs_url}/{job}/update_model", headers=headers, timeout=60)
answer.raise_for_status()
print(f"switched to {answer.json()['metadata']['retrain_job_id']}")
