"""The only mount list."""

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from matchmaker import health
from matchmaker.metrics.page import metrics

# Nobody has one here, and the package's page lets whoever may look at an address also confirm it.
admin.site.unregister(EmailAddress)

api_v1: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("matching.api.urls")),
    path("", include("notifications.api.urls")),
    path("", include("jobs.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    # Its script is an address of its own: the content security policy runs none inside a page.
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs"), name="home"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api_v1)),
]

handler400 = "matchmaker.pages.bad_request"
handler404 = "matchmaker.pages.page_not_found"
handler500 = "matchmaker.pages.server_error"
