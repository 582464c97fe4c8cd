#!/usr/bin/env bash
# Installs ATUM DESK as services of systemd, or brings an installation to this version. May be repeated: what is as it
# should be is left alone. DESTDIR=/some/folder lays the files there and touches nothing else.
set -euo pipefail
# The services' account has to read what root lays down, whatever root's own habit.
umask 022

usage() {
  cat <<'USAGE'
Usage: [DATABASE_URL=postgres://...] infra/install.sh [--no-start] [--dry-run]
       infra/install.sh --plan
       infra/install.sh --rollback [--dry-run]

  DATABASE_URL  the owner's address of the database; needed the first time, kept as a credential
  DESTDIR       lay the files below this folder only: no account, no packages, no systemctl
  --no-start    install and enable, start nothing
  --plan        lay the release beside the present one and say what its migrations would do; the services go on as they are
  --rollback    go back to the release that was installed before this one
  --dry-run     print what would be done
USAGE
}

NEEDED_NODE=26
KEPT_RELEASES=3
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROOT=${DESTDIR:-}
PARTS=(bin src migrations infra docs package.json package-lock.json .npmrc LICENSE README.md ARCHITECTURE.md CHANGELOG.md)
start=yes
dry=''
rollback=''
plan=''
for argument in "$@"; do
  case $argument in
    --no-start) start='' ;;
    --dry-run) dry=yes ;;
    --plan) plan=yes ;;
    --rollback) rollback=yes ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
run() { if [ -n "$dry" ]; then say "+ $*"; else "$@"; fi; }
# What concerns the running system, not only files.
live() { if [ -z "$ROOT" ]; then run "$@"; fi; }

HOME_DIRECTORY=$ROOT/opt/atum-desk
SETTINGS=$ROOT/etc/atum-desk
CREDENTIALS=$SETTINGS/credentials
UNITS=$ROOT/etc/systemd/system

# Puts a file in place where it is missing or another one; tells whether it did.
place() { # mode source target
  if cmp -s "$2" "$3"; then return 1; fi
  run install -D -m "$1" "$2" "$3"
  say "installed $3"
}

# Writes a secret that is not there yet.
keep_secret() { # name value
  if [ -s "$CREDENTIALS/$1" ]; then return; fi
  [ -n "$2" ] || fail "$1 is not set, and $CREDENTIALS/$1 does not exist. Run: $1=... infra/install.sh"
  if [ -n "$dry" ]; then say "+ write $CREDENTIALS/$1"; return; fi
  (umask 077 && printf '%s\n' "$2" >"$CREDENTIALS/$1")
  say "wrote $CREDENTIALS/$1"
}

random_secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

has_new_node() { command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$NEEDED_NODE" ]; }

# The folder that a link points to, if it is there.
target_of() { if [ -L "$1" ]; then readlink "$1"; fi; }

point() { # link release: in one step, so that a service that starts meanwhile finds one or the other
  run ln -sfn "$2" "$1.new"
  run mv -Tf "$1.new" "$1"
}

if [ -z "$ROOT" ] && [ "$(id -u)" != 0 ]; then fail 'needs root (or DESTDIR)'; fi

if [ -n "$rollback" ]; then
  previous=$(target_of "$HOME_DIRECTORY/previous")
  [ -n "$previous" ] || fail "$HOME_DIRECTORY/previous does not exist: there is no release to go back to"
  current=$(target_of "$HOME_DIRECTORY/current")
  point "$HOME_DIRECTORY/current" "$previous"
  point "$HOME_DIRECTORY/previous" "$current"
  if [ -n "$start" ]; then live systemctl restart 'atum-desk-api.service' 'atum-desk-worker@*.service'; fi
  say "back on $previous; going back the same way leads to $current"
  exit 0
fi

if [ -z "$ROOT" ] && ! id atum-desk >/dev/null 2>&1; then
  run useradd --system --user-group --home-dir /var/lib/atum-desk --no-create-home --shell /usr/sbin/nologin atum-desk
fi
run install -d -m 0755 "$HOME_DIRECTORY/releases" "$SETTINGS"
run install -d -m 0700 "$CREDENTIALS"
if [ -z "$ROOT" ]; then run install -d -m 0700 -o atum-desk -g atum-desk /var/backups/atum-desk; fi
keep_secret DATABASE_URL "${DATABASE_URL:-}"
keep_secret ATUM_SECRET "$(random_secret)"
keep_secret METRICS_TOKEN "$(random_secret)"
if [ ! -e "$SETTINGS/atum-desk.env" ]; then place 0644 "$SOURCE/infra/atum-desk.env" "$SETTINGS/atum-desk.env" || true; fi

# A release is named by its version and content, so that the same one is laid down once.
parts=()
for part in "${PARTS[@]}"; do if [ -e "$SOURCE/$part" ]; then parts+=("$part"); fi; done
content=$(cd "$SOURCE" && tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --exclude=src/console/dist -cf - "${parts[@]}" | sha256sum | cut -c1-12)
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$SOURCE/package.json")
release=releases/$version-$content
if [ -e "$HOME_DIRECTORY/$release/.complete" ]; then
  say "release $version-$content is there"
else
  run rm -rf "$HOME_DIRECTORY/$release"
  run mkdir "$HOME_DIRECTORY/$release"
  if [ -n "$dry" ]; then say "+ copy ${parts[*]}"; else (cd "$SOURCE" && tar -cf - "${parts[@]}") | tar -xf - --no-same-owner -C "$HOME_DIRECTORY/$release"; fi
  if has_new_node; then omit=(--omit=dev); else omit=(); fi # the pinned Node is a development dependency
  live npm ci --prefix "$HOME_DIRECTORY/$release" --no-audit --no-fund "${omit[@]}"
  live node "$HOME_DIRECTORY/$release/bin/atum-desk.mjs" --version
  run touch "$HOME_DIRECTORY/$release/.complete"
  say "laid down release $version-$content"
fi

if [ -n "$plan" ]; then
  ATUM_RELEASE=$HOME_DIRECTORY/$release live sh "$SOURCE/infra/atum-desk" migrate plan
  exit 0
fi

# Before anything points to it: a migration that fails leaves the old release in use.
if [ -n "$start" ]; then ATUM_RELEASE=$HOME_DIRECTORY/$release live sh "$SOURCE/infra/atum-desk" migrate up; fi
before=$(target_of "$HOME_DIRECTORY/current")
changed=''
if [ "$before" != "$release" ]; then
  changed=yes
  if [ -n "$before" ]; then point "$HOME_DIRECTORY/previous" "$before"; fi
  point "$HOME_DIRECTORY/current" "$release"
fi
for unit in "$SOURCE"/infra/systemd/*; do
  if place 0644 "$unit" "$UNITS/$(basename "$unit")"; then changed=yes; fi
done
place 0755 "$SOURCE/infra/atum-desk" "$ROOT/usr/local/bin/atum-desk" || true

# Old releases go, but for those that a link points to and the newest few.
if [ -d "$HOME_DIRECTORY/releases" ]; then
  find "$HOME_DIRECTORY/releases" -mindepth 1 -maxdepth 1 -printf '%T@ %f\n' | sort -rn | tail -n "+$((KEPT_RELEASES + 1))" | cut -d' ' -f2- |
    while IFS= read -r old; do
      case releases/$old in "$release" | "$before" | "$(target_of "$HOME_DIRECTORY/previous")") continue ;; esac
      run rm -rf "$HOME_DIRECTORY/releases/$old"
      say "removed the old release $old"
    done
fi

if [ -z "$changed" ]; then
  say 'nothing changed'
else
  live systemctl daemon-reload
fi
live systemctl enable --quiet atum-desk.target atum-desk-api.service atum-desk-worker@9101.service atum-desk-backup.timer
if [ -n "$start" ]; then
  if [ -n "$changed" ]; then live systemctl restart atum-desk-api.service 'atum-desk-worker@*.service'; fi
  live systemctl start atum-desk.target atum-desk-backup.timer
fi
say "ATUM DESK $version is installed${ROOT:+ below $ROOT}"
