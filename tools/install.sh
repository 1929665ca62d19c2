#!/bin/bash
# Installs the Debian packages that the lab and the tests use, where any is missing. Nothing it installs is started, now
# or at the next boot: Moorage starts what it needs itself, under its own data directory.
#   tools/install.sh           install what is missing; without root or apt say what that costs, and succeed
#   tools/install.sh --list    print the packages and why each is needed
set -euo pipefail

packages() {
  cat <<'LIST'
make               the entry points: make test, make quickstart
tgt                the iSCSI target behind daemons/san
qemu-utils         qemu-storage-daemon: throttles of the SAN; qemu-img and qemu-io: reading back what was written, by a path not ours
qemu-block-extra   iSCSI for QEMU and its tools
qemu-system-x86    the virtual machines of daemons/hostd
xfsprogs           the SAN's pool: snapshots and clones are reflinks
libiscsi-bin       iscsi-ls and iscsi-inq: looking at targets from outside
busybox-static     user land of the lab's guest
qemu-guest-agent   agent inside the lab's guest
e2fsprogs          file system made inside the lab's guest
postgresql-15      the database; without it the embedded binaries of node_modules serve
openssl            certificates for the test of TLS
python3-cs         a CloudStack client written by others, for test/compat
python3-libcloud   another: Apache Libcloud
ansible            another: its collection ngine_io.cloudstack
packer             another: its builder cloudstack
LIST
}

missing() {
  packages | while read -r name _; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || echo "$name"
  done
}

say_what_is_skipped() {
  echo "tools/install.sh: $1; not installed:" >&2
  local wanted
  wanted=$(missing)
  packages | while read -r name reason; do
    if grep -qx -- "$name" <<<"$wanted"; then echo "  $name: $reason" >&2; fi
  done
  echo "Tests and demonstrations that need them are skipped, each with its reason." >&2
}

# dpkg asks policy-rc.d before it starts a service; 101 forbids. What was there before is put back.
guard=/usr/sbin/policy-rc.d
forbid_services() {
  if [ -e "$guard" ]; then mv "$guard" "$guard.before-moorage"; fi
  printf '#!/bin/sh\nexit 101\n' >"$guard"
  chmod 755 "$guard"
}
allow_services() {
  rm -f "$guard"
  if [ -e "$guard.before-moorage" ]; then mv "$guard.before-moorage" "$guard"; fi
}

# What apt says is shown when it fails; else its thousand lines would push the rest off the screen.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    echo "tools/install.sh: $* failed" >&2
    return 1
  fi
  rm -f "$log"
}

install_missing() {
  local apt=(apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
  export DEBIAN_FRONTEND=noninteractive
  echo "tools/install.sh: installing $* and what they need"
  # An interrupted run leaves its guard; the one it moved away is still beside it.
  if [ -e "$guard.before-moorage" ]; then mv "$guard.before-moorage" "$guard"; fi
  trap allow_services EXIT
  forbid_services
  quietly "${apt[@]}" update
  quietly "${apt[@]}" install --yes --no-install-recommends "$@"
  for unit in tgt qemu-guest-agent postgresql; do
    case " $* " in
      *" $unit "* | *" $unit-15 "*) systemctl disable "$unit" 2>/dev/null || true ;;
    esac
  done
  allow_services
  trap - EXIT
}

case "${1-}" in
  --list) packages; exit 0 ;;
  '') ;;
  *) echo "usage: tools/install.sh [--list]" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null; then
  echo "tools/install.sh: no apt here; install by hand what corresponds to:" >&2
  packages >&2
  exit 0
fi
mapfile -t wanted < <(missing)
if [ "${#wanted[@]}" -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    say_what_is_skipped 'needs root'
    exit 0
  fi
  install_missing "${wanted[@]}"
elif [ "$(id -u)" = 0 ] && ! apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then
  # The guest's kernel is downloaded, not installed: for that apt must know it.
  quietly apt-get -q -o DPkg::Lock::Timeout=600 update
fi
