"""The app for an ASGI server started by hand, for development: `hypercorn transcriber.asgi:app`.

What the service's own command adds is missing then: sessions are cut rather than drained when the server is stopped,
and the limits on messages and pings are the server's. The log says so.
"""

import logging
import os

# Many small products run side by side here; BLAS threads would only spin. Read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from transcriber import logs
from transcriber.app import create_app
from transcriber.settings import Settings

_settings = Settings.from_environment()
logs.set_up(_settings.log_format, _settings.log_level)
logging.getLogger(__name__).warning(
    "served by hand: no draining on SIGTERM, and message size and ping time are the server's; use `transcriber serve`"
)
app = create_app(_settings)
