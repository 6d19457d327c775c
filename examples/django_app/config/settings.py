# SPDX-License-Identifier: MIT
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("SECRET_KEY", "for development alone")
DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = ["huey_green.contrib.djhuey", "orders"]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "config.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"},
}

HUEY = {
    "name": "orders",
    # In development, too, tasks go to the consumer.
    "immediate": False,
    "consumer": {"workers": 200},
}
if url := os.environ.get("REDIS_URL"):
    HUEY |= {"huey_class": "huey_green.RedisHuey", "url": url}
else:
    HUEY |= {"huey_class": "huey_green.SqliteHuey", "filename": BASE_DIR / "queue.db"}
