"""Paths of notices under /api/v1/ (layer: faces)."""

from django.urls import path

from notifications.api.views import Notices, ReadNotices

urlpatterns = [
    path("notifications/", Notices.as_view(), name="notifications"),
    path("notifications/read/", ReadNotices.as_view(), name="notifications-read"),
]
