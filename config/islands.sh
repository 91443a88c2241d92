#!/bin/sh
# The front-end islands: installs what builds them, or checks that the committed bundles are theirs.
#   sh config/islands.sh install | check
# Without Node of at least 20.19, or without the registry where the packages are not installed yet,
# `check` says so loudly and passes; REQUIRE_NODE=1 makes it fail.
set -eu
cd "$(dirname "$0")/.."
BUNDLES="segments/static/segments/criteria_builder journeys/static/journeys/canvas"

has_node() {
  command -v npm > /dev/null && command -v node > /dev/null &&
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'
}

install() {
  # Once for each lock file.
  cmp -s package-lock.json node_modules/.installed-lock.json && return
  npm ci --no-audit --no-fund --loglevel=error >&2 && cp package-lock.json node_modules/.installed-lock.json
}

unchecked() {
  echo "!!! THE ISLANDS WERE NOT CHECKED: $1." >&2
  if [ "${REQUIRE_NODE:-0}" != 0 ]; then exit 1; else exit 0; fi
}

check() {
  has_node || unchecked "there is no Node of at least 20.19"
  install || unchecked "npm could not install the packages of package-lock.json"
  npm run --silent types
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  for bundle in $BUNDLES; do
    npx --no-install vite build --mode "$(basename "$bundle")" --logLevel error --emptyOutDir --outDir "$fresh"
    diff -r "$fresh" "$bundle" > /dev/null || {
      echo "The bundle in $bundle is not what its sources build. Run: npm run build, and commit it." >&2
      exit 1
    }
  done
}

"$1"
