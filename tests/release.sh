#!/usr/bin/env bash
# The wheel and its SBOM (CycloneDX, with licences) of what is committed, the same bytes each time.
# Called by make with the cache folder, and where to put them.
set -euo pipefail
umask 022  # the modes of files in a wheel are a part of its bytes
cache=$1 out=$2
uv=$(ls -d "$cache"/tools/uv-*/bin/uv | tail -1)
export UV_CACHE_DIR=$cache/uv
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/source"

# Not the working tree: whose umask its files have, and what else lies there, is nobody's business.
git -c tar.umask=0022 archive HEAD | tar -x --no-same-owner -p -C "$work/source"
"$uv" build -q --python .venv/bin/python --wheel --out-dir "$work/wheel" "$work/source"

# What is listed is what is installed: the locked dependencies of the tool, without those of its tests.
"$uv" venv -q --python .venv/bin/python "$work/env"
install() { "$uv" pip install -q --python "$work/env/bin/python" "$@"; }
install --require-hashes -r "$work/source/requirements.txt"
install --no-deps "$work"/wheel/*.whl
.venv/bin/cyclonedx-py environment --output-reproducible --pyproject "$work/source/pyproject.toml" \
  -o "$work/wheel/k8sext.cdx.json" "$work/env/bin/python"
cp "$work"/wheel/*.whl "$work/wheel/k8sext.cdx.json" "$out"
