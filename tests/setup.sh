#!/usr/bin/env bash
# Python environment in .venv from the locked, hashed requirements. Called by make with the cache
# folder. Root on Debian gets Python and pip from apt where they are missing.
set -euo pipefail
cache=$1
say() { echo "setup: $*" >&2; }

python=$(command -v python3.11 || command -v python3 || true)
if ! { [ -n "$python" ] && "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; } 2>/dev/null; then
  say "installing python3 and python3-venv"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends python3 python3-venv ca-certificates >/dev/null
  python=/usr/bin/python3
fi

uv_version=0.13.9
uv=$cache/tools/uv-$uv_version/bin/uv
if [ ! -x "$uv" ]; then
  say "installing uv $uv_version"
  mkdir -p "$cache/tools"
  "$python" -m venv "$cache/tools/uv-$uv_version"
  "$cache/tools/uv-$uv_version/bin/pip" install -q --disable-pip-version-check "uv==$uv_version"
fi

say "Python environment .venv (about 20 s with an empty cache)"
export UV_CACHE_DIR=$cache/uv
[ -x .venv/bin/python ] || "$uv" venv -q --python "$python" .venv
# With bytecode, as pip leaves what it installs: without, each command compiles what it imports.
install() { "$uv" pip install -q --python .venv/bin/python --compile-bytecode "$@"; }
install --require-hashes -r requirements-dev.txt
install --no-deps -e .
