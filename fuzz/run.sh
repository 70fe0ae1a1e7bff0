#!/bin/bash
# Builds the fuzz targets and runs each on its committed corpus, two at a time.
#
#   fuzz/run.sh SECONDS [TARGET...]             fuzz/run.sh 10 safetensors pickle
#   fuzz/run.sh --long [MINUTES] [TARGET...]    10 minutes each; then adds inputs that reached new code to the corpus
#
# Inputs that the fuzzer finds stay in build/fuzz/found/. If an input crashes a target, prints its name and exits
# with 1. Needs clang and its libFuzzer (libclang-rt-14-dev).
set -u
usage="usage: fuzz/run.sh SECONDS [TARGET...], or fuzz/run.sh --long [MINUTES] [TARGET...]"
long=no
if [ "${1:?$usage}" = --long ]; then
  long=yes
  shift
  minutes=10
  [[ ${1:-} =~ ^[0-9]+$ ]] && { minutes=$1; shift; }
  seconds=$((minutes * 60))
else
  seconds=$1
  shift
  [[ $seconds =~ ^[0-9]+$ ]] || { echo "$usage" >&2; exit 2; }
fi
at_once=2
# A corpus is committed, so it must be small.
corpus_files=300
corpus_bytes=$((100 * 1024))

cd "$(dirname "$0")/.." || exit 1
cmake --preset asan >/dev/null && cmake --build --preset asan --target fuzzers -- -k 0 || exit 1
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in fuzz/*_fuzz.cpp; do
    target=${source##*/}
    targets+=("${target%_fuzz.cpp}")
  done
fi

executed() { sed -n 's/^stat::number_of_executed_units: *//p' "$1"; }

# Inputs found by the fuzzer are named by their SHA-1; seeds made by hand have other names.
is_found() { [[ ${1##*/} =~ ^[0-9a-f]{40}$ ]]; }

# minimise TARGET: reduces the corpus to its seeds and the smallest found inputs that reach other code. If there are too
# many files, keeps the first by name, which is as good as random.
minimise() {
  local target=$1 corpus=fuzz/corpus/$1 merged=build/fuzz/merged/$1 file bytes files=0 sum=0
  rm -rf "$merged"
  mkdir -p "$merged"
  for file in "$corpus"/*; do
    is_found "$file" || { cp "$file" "$merged/"; files=$((files + 1)); sum=$((sum + $(stat -c %s "$file"))); }
  done
  "build/asan/fuzz/${target}_fuzz" -merge=1 -timeout=10 -rss_limit_mb=2048 "$merged" "build/fuzz/found/$target" "$corpus" \
    >"build/fuzz/$target.merge.log" 2>&1 || { tail -n 25 "build/fuzz/$target.merge.log"; return 1; }
  for file in "$corpus"/*; do
    is_found "$file" && rm "$file"
  done
  stat -c '%s %n' "$merged"/* | sort -n | while read -r bytes file; do
    is_found "$file" && sum=$((sum + bytes)) && [ $sum -le $corpus_bytes ] && echo "$file"
  done | sort | head -n $((corpus_files - files)) | xargs -r cp -t "$corpus"
}

fuzz() {
  local target=$1 found=build/fuzz/found/$1 log=build/fuzz/$1.log corpus=fuzz/corpus/$1
  mkdir -p "$found"
  if [ ! -d "$corpus" ]; then
    echo "$target: corpus $corpus is missing"
    return 1
  fi
  if ! "build/asan/fuzz/${target}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/crash-$target-" "$found" "$corpus" >"$log" 2>&1; then
    echo "$target: crashed; the input is named at the end of $log"
    tail -n 25 "$log"
    return 1
  fi
  if [ $long = yes ]; then minimise "$target" || return 1; fi
  echo "$target: $(executed "$log") inputs, no crash"
}

status=0
running=0
for target in "${targets[@]}"; do
  rm -f "build/fuzz/$target.log"
  if [ $running -eq $at_once ]; then
    wait -n || status=1
    running=$((running - 1))
  fi
  fuzz "$target" &
  running=$((running + 1))
done
for ((; running > 0; running--)); do wait -n || status=1; done
sum=0
for target in "${targets[@]}"; do
  inputs=$(executed "build/fuzz/$target.log" 2>/dev/null)
  sum=$((sum + ${inputs:-0}))
done
echo "all targets: $sum inputs"
exit $status
