"""What pyproject.toml cannot say: every package below here, and prompts/ shipped as dumo_bench.prompts."""

from setuptools import find_namespace_packages, setup

found = find_namespace_packages(include=["dumo_bench*", "baselines*"], exclude=["*.weights*"])
setup(packages=[*found, "dumo_bench.prompts"])
