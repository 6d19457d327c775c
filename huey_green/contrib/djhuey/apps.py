# SPDX-License-Identifier: MIT
"""The entry in INSTALLED_APPS: brings ``manage.py run_huey`` and a check of the settings."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from huey_green.contrib.djhuey.configuration import the_huey


class DjhueyConfig(AppConfig):  # type: ignore[misc]  # Django has no types.
    """Named as huey's, so that neither settings nor code have to know another label."""

    name = "huey_green.contrib.djhuey"
    label = "djhuey"
    verbose_name = "huey_green"

    def ready(self) -> None:
        """Have ``manage.py check`` look at settings.HUEY."""
        checks.register(check_settings)


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """Return what is wrong with settings.HUEY."""
    try:
        the_huey()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="huey_green.E001")]
    return []
