#!/bin/sh
# Fetches the source release of exactly the Pykka that is installed; its tests are not in the wheel.
# Usage: fetch_pykka_suite.sh TARGET PYTHON
# Afterwards TARGET/tests is Pykka's own suite. Does nothing if TARGET holds that version already.
set -eu

target=$1
python=$2
version=$("$python" -c 'from importlib.metadata import version; print(version("pykka"))')

if [ -d "$target/tests" ] && grep -qx "Version: $version" "$target/PKG-INFO"; then
    exit 0
fi

mkdir -p "$(dirname "$target")"
download=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$download"' EXIT

# Build isolation stays on: pip wants the package's metadata, and fetches the backend that makes it by itself.
"$python" -m pip download -qq --disable-pip-version-check --no-deps --no-binary :all: \
    --dest "$download" "pykka==$version"
tar -xzf "$download/pykka-$version.tar.gz" -C "$download"
rm -rf "$target"
mv "$download/pykka-$version" "$target"
