#!/usr/bin/env bash
# What this project does on one GPU, in one command and without network.
#
#   benchmarks/gpu.sh --minutes 10 [--tiny] [--out DIR] [--wheels DIR] [--only STAGE...]
#
# PYTHON (python3) needs torch; whatever else is missing there is taken from the wheels that gpu_wheels.sh collected,
# for this run alone. Results: gpu-<card>.json and gpu-<card>.md in DIR, benchmarks/ by default.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3} minutes=10 wheels="" rest=()
while (($#)); do
  case $1 in
    --minutes) minutes=$2; shift 2 ;;
    --wheels) wheels=$2; shift 2 ;;
    *) rest+=("$1"); shift ;;
  esac
done

site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
"$python" "$root/benchmarks/gpu_site.py" "$site" "$root" $wheels

export PYTHONPATH="$root:$root/benchmarks:$root/tests:$site${PYTHONPATH:+:$PYTHONPATH}"
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1 MPLBACKEND=Agg
export XDG_CACHE_HOME="$site/cache" MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296
# stages end by themselves; this is for one that does not
timeout "$("$python" -c "print(int(60 * $minutes) + 60)")" "$python" -m gpu --minutes "$minutes" "${rest[@]}"
