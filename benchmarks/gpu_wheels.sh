#!/usr/bin/env bash
# Collect the wheels that gpu.sh needs on a machine with torch and without network.
#
#   benchmarks/gpu_wheels.sh DIR [--python 3.12] [NAME...]
#
# Without names everything of constraints.txt but torch, its CUDA libraries and the tools of developers: some 300 MB for
# a bare machine. With names these alone, at the versions of constraints.txt. Wheels are for Linux on x86-64.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
into=${1:?usage: gpu_wheels.sh DIR [--python 3.12] [NAME...]}; shift
version=3.12
if [[ ${1:-} == --python ]]; then version=$2; shift 2; fi

wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
if (($#)); then
  for name in "$@"; do grep -i "^$name==" "$root/constraints.txt"; done >"$wanted"
else
  grep -Ev '^#|^(torch|torchvision|triton|nvidia-|cuda-|mypy|ruff|librt|ast_serialize|types-|resvg|.*-stubs)' \
    "$root/constraints.txt" >"$wanted"
fi

platforms=()
for n in 28 27 24 17 12 5; do platforms+=(--platform "manylinux_2_${n}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64)
"${PYTHON:-python3}" -m pip download -q --no-deps --only-binary=:all: --python-version "$version" --implementation cp \
  "${platforms[@]}" -d "$into" -r "$wanted"
ls -l "$into"
