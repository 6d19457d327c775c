# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

#: What tests/django/versions.py runs all of these tests with.
SUPPORTED = ((4, 2), (5, 2), (6, 0), (6, 1))


def test_this_django_is_a_supported_one():
    # What is called django may be the folder of this file.
    pytest.importorskip("django.conf", reason="Django is not installed: pip install '.[django]'")
    from django import VERSION

    assert SUPPORTED[0] <= VERSION
