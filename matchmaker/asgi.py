"""The entry point of an ASGI server, for those who have one; the product itself serves by WSGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")

application = get_asgi_application()
