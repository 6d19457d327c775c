# SPDX-License-Identifier: MIT
"""Settings of a project under test; what a test wants otherwise is in options.json."""

import json
from pathlib import Path

HERE = Path(__file__).parent

SECRET_KEY = "of no use outside of this test"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["huey_green.contrib.djhuey", "shop", "mail"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
MIDDLEWARE = []
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(HERE / "db.sqlite3")},
}
HUEY = {"huey_class": "huey_green.SqliteHuey", "filename": str(HERE / "queue.db")}

globals().update(json.loads((HERE / "options.json").read_text()))
