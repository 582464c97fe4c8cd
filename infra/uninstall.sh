#!/usr/bin/env bash
# Removes the services and the program of ATUM DESK. Settings, credentials and data stay, unless --purge is given; the
# database is never touched. May be repeated.
set -euo pipefail

ROOT=${DESTDIR:-}
purge=''
dry=''
for argument in "$@"; do
  case $argument in
    --purge) purge=yes ;;
    --dry-run) dry=yes ;;
    *) printf 'Usage: infra/uninstall.sh [--purge] [--dry-run]\n' >&2 && exit 2 ;;
  esac
done
run() { if [ -n "$dry" ]; then printf '+ %s\n' "$*"; else "$@"; fi; }
live() { if [ -z "$ROOT" ]; then run "$@"; fi; }
remove() {
  for path in "$@"; do
    if [ -e "$ROOT$path" ] || [ -L "$ROOT$path" ]; then run rm -rf "$ROOT$path" && printf 'removed %s\n' "$ROOT$path"; fi
  done
}
if [ -z "$ROOT" ] && [ "$(id -u)" != 0 ]; then
  printf 'uninstall.sh: needs root (or DESTDIR)\n' >&2
  exit 1
fi

# Disabling the template takes all its instances. What is not there is as wanted.
live systemctl stop atum-desk-backup.timer atum-desk.target atum-desk-api.service 'atum-desk-worker@*.service' atum-desk-job-worker.service || true
live systemctl disable --quiet atum-desk-backup.timer atum-desk.target atum-desk-api.service atum-desk-worker@.service atum-desk-job-worker.service || true
shopt -s nullglob
for unit in "$ROOT"/etc/systemd/system/atum-desk{.target,-*.service,-*.timer}; do remove "${unit#"$ROOT"}"; done
remove /opt/atum-desk /usr/local/bin/atum-desk
live systemctl daemon-reload
if [ -n "$purge" ]; then
  remove /etc/atum-desk /var/lib/atum-desk
  if id atum-desk >/dev/null 2>&1; then live userdel atum-desk; fi
else
  printf 'kept %s and %s (--purge removes them), and the backups\n' "$ROOT/etc/atum-desk" "$ROOT/var/lib/atum-desk"
fi
