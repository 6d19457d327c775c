# SPDX-License-Identifier: MIT
from hypothesis import HealthCheck, settings

# A machine that is busy with other things is slow, and that is no failure.
settings.register_profile(
    "huey_green",
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    print_blob=True,
)
settings.load_profile("huey_green")
