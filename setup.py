"""Shim for tools that still look for setup.py; what it would say stands in pyproject.toml.

But for one thing: times in a wheel are not those of the checkout, so that a commit is one wheel.
"""

import os

from setuptools import setup

os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")  # 1980, where the time of zip files begins

setup()
