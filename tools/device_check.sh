#!/bin/bash
# Checks a graphics card in under ten minutes: its facts, `semblance gpu check --full`, the tests that compute on
# cards. Everything is written as it is known, so a run that is cut short leaves what it found.
#
#   tools/device_check.sh [--program FILE] [--on DEVICE] [--minutes N] [--no-tests] FOLDER
#
#   FOLDER          gets facts.json, report.jsonl (src/check/card_check.h), tests.txt, and row.md: a row for the table
#                   of docs/gpu.md. Keep the report as docs/gpu/reports/CARD-DRIVER.jsonl.
#   --program FILE  the program; the tests are looked for beside it, in src/. Default: build/release/semblance, built
#                   first if it is missing or does not start here.
#   --on DEVICE     rehearses with a driver of tools/vulkan_run, such as lavapipe.
#   --minutes N     the time for everything but the build. Default: 10.
#   --no-tests      leaves out the tests.
#
# The machine needs the Vulkan loader (Debian: libvulkan1) and the card's driver; in containers also the driver's
# graphics libraries (NVIDIA_DRIVER_CAPABILITIES=all). Exits with 0 if everything passed, else with 1.
set -u
cd "$(dirname "$0")/.." || exit 1
program=build/release/semblance on= minutes=10 rooms="device backend check pipeline" folder=
while [ $# -gt 0 ]; do
  case $1 in
    --program) program=${2:?--program needs a file} && shift ;;
    --on) on=${2:?--on needs a device} && shift ;;
    --minutes) minutes=${2:?--minutes needs a number} && shift ;;
    --no-tests) rooms= ;;
    -h | --help) sed -n '2,17s/^# \{0,1\}//p' "$0" && exit 0 ;;
    -*) echo "device_check.sh: unknown option $1; see --help" >&2 && exit 2 ;;
    *) folder=$1 ;;
  esac
  shift
done
[ -n "$folder" ] || { echo "device_check.sh: expected a folder for the report; see --help" >&2 && exit 2; }
mkdir -p "$folder" || exit 1
run=() device=gpu
if [ -n "$on" ]; then
  run=(tools/vulkan_run "$on") device=gpu:0
else
  export VK_LOADER_DRIVERS_DISABLE='*lvp*' # the tests take the first card, which must not be Mesa's software driver
fi
end=$(($(date +%s) + minutes * 60)) failed=()

# step NAME COMMAND...: runs a command in the time that is left; notes whether it failed.
step() {
  local name=$1 left=$((end - $(date +%s)))
  shift
  [ $left -gt 0 ] || { failed+=("$name: no time left") && return 1; }
  echo "== $name (at most $left s)" >&2
  timeout --signal=INT --kill-after=10 $left "$@"
  local result=$?
  [ $result -eq 0 ] || failed+=("$name: exit code $result")
  return $result
}

if ! "${run[@]}" "$program" --version >/dev/null 2>&1; then
  echo "== building $program"
  cmake --preset release -DSEMBLANCE_TESTS=ON && cmake --build --preset release -j"$(nproc)" \
    --target semblance_program device_card_test backend_card_test check_card_test pipeline_card_test || exit 1
  program=build/release/semblance end=$(($(date +%s) + minutes * 60))
fi
if [ -z "$on" ] && ! ldconfig -p | grep -q libvulkan.so.1; then
  echo "device_check.sh: no Vulkan loader; install Debian's libvulkan1 or your system's like" >&2
  exit 1
fi

step facts "${run[@]}" "$program" gpu --json >"$folder/facts.json"
"${run[@]}" "$program" gpu
nvidia-smi --query-gpu=name,driver_version,pcie.link.gen.current,pcie.link.width.current,clocks.sm,power.draw \
  --format=csv >"$folder/nvidia-smi.csv" 2>/dev/null || rm -f "$folder/nvidia-smi.csv"
step check "${run[@]}" "$program" gpu check --full --device $device -o "$folder/report.jsonl"
: >"$folder/tests.txt"
for room in $rooms; do
  test=$(dirname "$program")/src/$room/${room}_card_test
  [ -x "$test" ] || continue
  SEMBLANCE_VULKAN_DEVICE=${on:-card} step "${room}_card_test" "${run[@]}" "$test" --gtest_filter=-*Planted* \
    >>"$folder/tests.txt" 2>&1
done

python3 - "$folder" "${failed[@]}" <<'END' || failed+=("row: no whole report")
import datetime, json, sys
folder, failed = sys.argv[1], sys.argv[2:]
lines = [json.loads(line) for line in open(folder + "/report.jsonl")]
card = lines[0]["card"]
state = "passed" if not failed and lines[-1]["kind"] == "end" else "failed: " + "; ".join(failed)
row = f'| {card["name"]} | {card["driver"]} {card["driver_version"]} | {datetime.date.today()} | {state} |'
open(folder + "/row.md", "w").write(row + "\n")
print(row)
END
[ ${#failed[@]} -eq 0 ] && exit 0
printf 'failed: %s\n' "${failed[@]}" >&2
exit 1
