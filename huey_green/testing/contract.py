# SPDX-License-Identifier: MIT
"""The tests that every storage passes, for pytest.

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self):
            storage = MyStorage()
            yield storage
            storage.close()

A storage without leases subclasses ``DocumentedContract`` alone. What depends on a capability
asks for its flag (``priority``, ``blocking``). Where a lease has to expire the tests say so to
the storage (``now``); they do not wait.
"""

from __future__ import annotations

from huey_green.testing.documented import DocumentedContract
from huey_green.testing.growth import GrowthContract
from huey_green.testing.leases import LeaseContract
from huey_green.testing.reports import ReportContract
from huey_green.testing.verbs import VerbContract


class StorageContract(
    DocumentedContract, LeaseContract, VerbContract, GrowthContract, ReportContract
):
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards."""


__all__ = [
    "DocumentedContract",
    "GrowthContract",
    "LeaseContract",
    "ReportContract",
    "StorageContract",
    "VerbContract",
]
