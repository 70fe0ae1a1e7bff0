#!/bin/bash
# Writes src/backend/vulkan/compiled.txt: what the real drivers for AMD's and NVIDIA's cards make of each kernel. A test
# compares it. Needs tools/vulkan_root.sh's folder and a release build with its tests.
set -eu
cd "$(dirname "$0")/.."
test=build/release/src/backend/backend_card_test
table=src/backend/vulkan/compiled.txt
root=${SEMBLANCE_VULKAN_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/semblance-tests/vulkan}
: >$table # so that nothing is compared while it is made
{
  echo "# Card, kernel, type of numbers, the most registers of an invocation, spills (to registers, and bytes of memory)."
  echo "# Written by tools/compiled_shaders.sh for layers of tests/shapes/sdxl.txt, with the driver"
  echo "# Mesa $(awk '$1 == "mesa-vulkan-drivers" { print $2 }' "$root/versions.txt")"
  for card in $(cat src/backend/vulkan/compiled_cards.txt); do
    tools/vulkan_run "$card" $test --gtest_filter='CompiledByDrivers.*' | sed -n 's/^compiled: //p'
  done
} >$table.new
mv $table.new $table
