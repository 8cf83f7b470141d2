"""The photo of a merchant's licence, where staff verify it (layer: faces)."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import LicencePhoto, Merchant
from accounts.selectors import licence_photo_of, shown_licence_photo
from matchmaker.core.admin import ReadOnlyAdmin
from matchmaker.core.errors import NotFound
from matchmaker.core.images import jpeg_response

SHOWN_WIDTH = 320


class LicencePhotoPages(ReadOnlyAdmin):
    """What the admin of merchants shows of their licences."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.licence_photo_view)
        own = path("<int:pk>/licence-photo/", view, name="accounts_merchant_licence_photo")
        return [own, *super().get_urls()]

    def licence_photo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The picture itself, for who may look at the merchant."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            photo = shown_licence_photo(Merchant(pk=pk))
        except NotFound as error:
            raise Http404 from error
        return jpeg_response(photo.content, name=str(photo.public_id))

    @admin.display(description=gettext_lazy("photo of the licence"))
    def photo_of_licence(self, merchant: Merchant) -> str:
        photo = licence_photo_of(merchant)
        return "–" if photo is None else picture(photo)


def picture(photo: LicencePhoto) -> str:
    """Return the photo in small and since when it is there; it leads to the whole of it."""
    return format_html(
        '<a class="licence-photo" href="{}" target="_blank" rel="noopener">'
        '<img src="{}" width="{}" height="{}" alt="{}" loading="lazy"><br>{}</a>',
        url := reverse("admin:accounts_merchant_licence_photo", args=[photo.merchant_id]),
        url,
        width := min(SHOWN_WIDTH, photo.width),
        photo.height * width // photo.width,
        _("photo of the licence"),
        _("of %(at)s") % {"at": date_format(localtime(photo.updated_at), "Y-m-d H:i")},
    )


def pictures(merchants: Iterable[Merchant]) -> dict[int, str]:
    """Return the photos of these merchants, by their keys."""
    photos = LicencePhoto.objects.filter(merchant__in=merchants).defer("content")
    return {photo.merchant_id: picture(photo) for photo in photos}
