"""Methods whose results are known beforehand, to test scorers and tables with: no erasers, so `list methods` has none.

dumo-bench run --method dumo_bench.selftest.controls.blank:Blank --suite emoji-cartoon
"""

from pathlib import Path

SUITE = Path(__file__).parent / "selftest.toml"
