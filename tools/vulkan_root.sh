#!/bin/bash
# Makes a folder with a current Vulkan for the tests, from another Debian suite's packages: lavapipe, which
# computes on the processor; the real drivers for AMD and NVIDIA cards, which start without a card; the loader;
# the validation layer; SPIR-V's tools. Takes half a minute and 400 MB. Run programs with tools/vulkan_run.
#
#   tools/vulkan_root.sh [--suite SUITE] [--force]     prints the folder
#
# Without --suite, forky is tried first, then trixie-backports. The packages come from the mirror that apt
# already uses; their signatures are checked. Nothing of the system changes: packages are unpacked, not installed,
# and none of their scripts runs. Package versions are recorded in the folder's versions.txt. The folder is
# $SEMBLANCE_VULKAN_ROOT, or vulkan in $XDG_CACHE_HOME/semblance-tests (~/.cache/semblance-tests).
#
# Exits with 77 and the reason if this system cannot have the folder.
set -u

packages=(mesa-vulkan-drivers mesa-drm-shim libvulkan1 vulkan-validationlayers spirv-tools glslang-tools libc-bin)
root=${SEMBLANCE_VULKAN_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/semblance-tests/vulkan}
suites=(forky trixie-backports) force=no
while [ $# -gt 0 ]; do
  case $1 in
    --suite) suites=("${2:?--suite needs a name}") && shift ;;
    --force) force=yes ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) echo "vulkan_root.sh: unknown option $1; see --help" >&2 && exit 2 ;;
  esac
  shift
done

cannot() {
  echo "no Vulkan for the tests: $1" >&2
  exit 77
}

# apt_of SUITE COMMAND...: apt-get with lists, cache and status of its own.
apt_of() {
  local suite=$1
  shift
  apt-get -qq -o Dir::Etc::sourcelist="$work/$suite.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
    -o APT::Sandbox::User=root -o Acquire::Retries=2 "$@"
}

# download SUITE: leaves the packages and what they need in $work/cache/archives.
download() {
  local suite=$1 option line=
  rm -rf "$work"/{lists,cache}
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  : >"$work/status"
  # A backport needs the suite it is made for.
  for line in "$suite" "${suite%-backports}"; do
    echo "deb [signed-by=$keyring] $mirror $line main"
  done | sort -u >"$work/$suite.list"
  option=()
  [ "$suite" = "${suite%-backports}" ] || option=(-t "$suite")
  apt_of "$suite" update &&
    apt_of "$suite" -y --no-install-recommends --download-only "${option[@]}" install "${packages[@]}"
}

# unpack TARGET: unpacks all downloaded packages and records their versions.
unpack() {
  local target=$1 package folder
  mkdir -p "$target"/usr/{bin,sbin,lib,lib64} || return
  for folder in bin sbin lib lib64; do ln -sfn usr/$folder "$target/$folder"; done
  for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" |
      tar -x --keep-directory-symlink --no-same-owner --exclude='./usr/share/doc' --exclude='./etc' -C "$target" || return
    dpkg-deb -W "$package" >>"$target/versions.txt" || return
  done
}

mkdir -p "$(dirname "$root")" || cannot "cannot make $(dirname "$root")"
exec 9>"$root.lock"
flock 9 # another build may be making it
if [ -f "$root/versions.txt" ] && [ $force = no ]; then
  echo "$root"
  exit 0
fi
for tool in apt-get dpkg-deb; do
  command -v $tool >/dev/null || cannot "$tool is missing; this needs Debian or a relative"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f $keyring ] || cannot "$keyring is missing: install debian-archive-keyring"
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
[ -n "$mirror" ] || cannot "apt knows no Debian mirror: run apt-get update, or use another machine"

work=$(mktemp -d "$root.XXXXXX") || cannot "cannot write to $(dirname "$root")"
trap 'rm -rf "$work"' EXIT
for suite in "${suites[@]}"; do
  download "$suite" >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2 && continue; }
  unpack "$work/root" 2>>"$work/log" || { tail -n 3 "$work/log" >&2 && cannot "cannot unpack Debian $suite's packages"; }
  echo "$suite" >"$work/root/suite.txt"
  rm -rf "$root"
  mv "$work/root" "$root"
  echo "$root"
  exit 0
done
cannot "could not download the packages of Debian ${suites[*]}"
