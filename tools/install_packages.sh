# Source this file: install_packages KIND... installs the missing packages that tools/packages.txt lists for
# these kinds. Uses sudo unless run by root, and prints what it installs first.
install_packages() {
  local list kind name missing=() as_root=()
  list=$(dirname "${BASH_SOURCE[0]}")/packages.txt
  while read -r kind name; do
    case " $* " in *" $kind "*) ;; *) continue ;; esac
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
      missing+=("$name")
    fi
  done < <(grep -v '^#' "$list")
  [ ${#missing[@]} -eq 0 ] && return 0
  if ! command -v apt-get >/dev/null; then
    echo "install these Debian packages, or this system's equivalents: ${missing[*]}" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "ask your administrator to run: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "installing with apt-get: ${missing[*]}"
  "${as_root[@]}" apt-get update -q >/dev/null || echo "apt-get update failed; continuing" >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null || {
    echo "apt-get could not install: ${missing[*]}" >&2
    return 1
  }
}
