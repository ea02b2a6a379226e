"""The peer: what a script in the style of the vendor's manual does. `python -m tests.bench.vendor_sample URL KEY FILE`.

It reads the whole file, sends it, asks every 30 seconds, downloads the result and switches.
"""

import sys
import time
from pathlib import Path

import requests

url, key, file = sys.argv[1:]
api, headers = f"{url}/v1/external/retrain_jobs", {"x-api-key": key}
job = requests.get(f"{api}/upload_url", params={"filename": "train.csv"}, headers=headers, timeout=60).json()
with Path(file).open("rb") as stream:
    requests.put(job["upload_url"], data=stream.read(), timeout=600)
while True:
    status = requests.get(f"{api}/{job['retrain_job_id']}", headers=headers, timeout=60).json()
    if status["status"] == "job_finished":
        break
    time.sleep(30)
requests.get(status["download_url"], timeout=60)
requests.put(f"{api}/{job['retrain_job_id']}/update_model", headers=headers, timeout=60)
