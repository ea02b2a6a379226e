#!/bin/sh
# Retrain a model with a training and an evaluation file, wait, download the result and switch, with curl alone.
# Usage: sh retrain.sh URL ZIP_FILE RESULT_FILE, with the API key in the variable PREDICTION_ONE_API_KEY.
# The zip holds train_src/FILE and eval_src/FILE.
set -eu

jobs_url="$1/v1/external/retrain_jobs"
zip_file="$2"
result_file="$3"

# The key goes to curl by a configuration on standard input, so that it shows in no list of processes.
call() {
    printf 'header = "x-api-key: %s"\n' "$PREDICTION_ONE_API_KEY" | curl --silent --show-error --fail --config - "$@"
}

# One text value of a flat JSON answer.
value() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}

# 1. Retrain Data Upload: a job and the URL its data goes to. The retrain starts when the upload is complete.
answer=$(call --get --data-urlencode "filename=$(basename "$zip_file")" "$jobs_url/upload_url")
job=$(printf '%s' "$answer" | value retrain_job_id)
curl --silent --show-error --fail --upload-file "$zip_file" "$(printf '%s' "$answer" | value upload_url)"
echo "started $job"

# 2. Retrain Status Check, until the job is finished.
while answer=$(call "$jobs_url/$job") && status=$(printf '%s' "$answer" | value status); do
    echo "$status"
    case "$status" in
    job_finished) break ;;
    *fail*)
        printf '%s\n' "$answer" >&2
        exit 1
        ;;
    esac
    sleep "${SECONDS_BETWEEN_CHECKS:-30}"
done

# The result is behind a signed URL, which takes no key.
curl --silent --show-error --fail --output "$result_file" "$(printf '%s' "$answer" | value download_url)"

# 3. Retrain Model Switch: the retrained model serves from now on.
call --request PUT "$jobs_url/$job/update_model" >/dev/null
echo "switched to $job"
