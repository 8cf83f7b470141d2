"""The only mount list."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from accounts.staff_login import StaffLoginForm
from matchmaker import health

# Counts the tries before a password is hashed.
admin.site.login_form = StaffLoginForm

api_v1: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("matching.api.urls")),
    path("", include("jobs.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api_v1)),
]

handler400 = "matchmaker.pages.bad_request"
handler404 = "matchmaker.pages.page_not_found"
handler500 = "matchmaker.pages.server_error"
