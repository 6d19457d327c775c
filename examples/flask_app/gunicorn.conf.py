"""Settings of gunicorn: it reads them from the directory in which it is started."""

from gevent import monkey

monkey.patch_all()  # Before the application is imported, also with --preload.

from huey_green.contrib.gunicorn import embed  # noqa: E402

bind = "127.0.0.1:8000"
worker_class = "gevent"
graceful_timeout = 30

# A consumer in each worker, which starts after the fork and stops with it.
post_worker_init, worker_exit = embed("tasks.huey", workers=200)
