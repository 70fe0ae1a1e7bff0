#!/bin/bash
# Compiles the shaders with cooperative matrices, which Debian 12's compiler does not know, with the compiler in the
# folder of tools/vulkan_root.sh. Their SPIR-V is kept in src/backend/vulkan/shaders/prebuilt/ and embedded like the
# others'.
#
#   tools/build_matrix_shaders.sh           compiles all of prebuilt.txt
#   tools/build_matrix_shaders.sh --check   compares with what is there, without changing it
#
# Exits with 77 and a message if there is no such folder.
set -eu
shaders=$(realpath "$(dirname "$0")/../src/backend/vulkan/shaders")
root=${SEMBLANCE_VULKAN_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/semblance-tests/vulkan}
if [ ! -f "$root/versions.txt" ]; then
  echo "skipped: no Vulkan for the tests in $root; tools/vulkan_root.sh makes it" >&2
  exit 77
fi
interpreter=$(echo "$root"/usr/lib/*-linux-gnu/ld-linux-*.so.*)
tool() {
  local name=$1
  shift
  "$interpreter" --library-path "$(dirname "$interpreter")" "$root/usr/bin/$name" "$@"
}
check=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
while read -r name source macros; do
  read -ra macros <<<"$macros"
  tool glslangValidator --quiet -V -g0 --target-env vulkan1.1 "${macros[@]/#/-D}" -o "$work/$name.spv" "$shaders/$source.comp"
  tool spirv-val --target-env vulkan1.3 "$work/$name.spv"
  if [ "$check" != --check ]; then
    cp "$work/$name.spv" "$shaders/prebuilt/$name.spv"
  elif ! cmp -s <(tool spirv-dis --raw-id --no-header "$work/$name.spv") \
    <(tool spirv-dis --raw-id --no-header "$shaders/prebuilt/$name.spv"); then
    echo "prebuilt/$name.spv is not what $source.comp compiles to; run tools/build_matrix_shaders.sh" >&2
    status=1
  fi
done < <(grep -v '^#' "$shaders/prebuilt.txt")
exit $status
