#!/bin/sh
# Downloads two real face models for the tests into build/test-models: a detector (SCRFD, from the
# source distribution of scrfd 0.3.0 on PyPI) and a recogniser (from faceplugin-face-recognition-js
# 0.0.1 on npm). Neither is part of Semblance: their weights' licences are not stated. Without them
# the tests that need them are skipped with a message. Needs python3 with pip and venv, and npm.
set -u
folder=$(cd "$(dirname "$0")/.." && pwd)/build/test-models
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fetch_scrfd() {
  (cd "$work" && ${PYTHON:-python3} -m pip download --quiet --no-deps --no-binary :all: scrfd==0.3.0 &&
    tar xzf scrfd-0.3.0.tar.gz --wildcards '*/models/scrfd.onnx') &&
    mv "$work/scrfd-0.3.0/models/scrfd.onnx" "$folder/scrfd.onnx"
}

fetch_recogniser() {
  (cd "$work" && npm pack --silent faceplugin-face-recognition-js@0.0.1 > /dev/null &&
    tar xzf faceplugin-face-recognition-js-0.0.1.tgz package/model/fr_feature.onnx) &&
    mv "$work/package/model/fr_feature.onnx" "$folder/fr_feature.onnx"
}

# Checks the file's published SHA-256 and removes a file that does not match.
expect() {
  if echo "$2  $folder/$1" | sha256sum --check --status 2> /dev/null; then return 0; fi
  rm -f "$folder/$1"
  return 1
}

scrfd_sum=9c162a817c7dd32d35d1f1c6ae6445032d6e73c6c5fe61d8b5b663ba8bc86b30
recogniser_sum=87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581
expect scrfd.onnx $scrfd_sum || { fetch_scrfd && expect scrfd.onnx $scrfd_sum; } ||
  { echo "could not download scrfd.onnx: its test will be skipped" >&2; failed=1; }
expect fr_feature.onnx $recogniser_sum || { fetch_recogniser && expect fr_feature.onnx $recogniser_sum; } ||
  { echo "could not download fr_feature.onnx: its test will be skipped" >&2; failed=1; }
exit $failed
