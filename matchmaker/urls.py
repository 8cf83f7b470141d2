"""The only mount list."""

from django.contrib import admin
from django.urls import path

from matchmaker import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("admin/", admin.site.urls),
]
