"""What pyproject.toml cannot say: every package below here, and the data that is kept beside it but shipped inside."""

from setuptools import find_namespace_packages, setup

found = find_namespace_packages(include=["dumo_bench*"], exclude=["*.weights*"])
setup(packages=[*found, "dumo_bench.prompts", "dumo_bench.published_numbers"])
