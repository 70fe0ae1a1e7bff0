#!/bin/bash
# Builds the fuzz targets and runs each for SECONDS on its committed corpus.
#
#   fuzz/run.sh SECONDS [TARGET...]     fuzz/run.sh 10 safetensors pickle
#
# What the fuzzer finds on the way stays in build/fuzz/found/; an input that crashes a target is named, and the exit
# code is 1. Needs clang and its libFuzzer (libclang-rt-14-dev).
set -u
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")/.." || exit 1
cmake --preset fuzz >/dev/null && cmake --build --preset fuzz --target fuzzers -- -k 0 || exit 1
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in fuzz/*_fuzz.cpp; do
    target=${source##*/}
    targets+=("${target%_fuzz.cpp}")
  done
fi
status=0
for target in "${targets[@]}"; do
  found=build/fuzz/found/$target
  log=build/fuzz/$target.log
  mkdir -p "$found"
  corpus=fuzz/corpus/$target
  if [ ! -d "$corpus" ]; then
    echo "$target: no corpus in $corpus"
    status=1
    continue
  fi
  if build/fuzz/fuzz/"${target}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/crash-$target-" "$found" "$corpus" >"$log" 2>&1; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no crash"
  else
    echo "$target: crashed; the input is named at the end of $log"
    tail -n 25 "$log"
    status=1
  fi
done
exit $status
