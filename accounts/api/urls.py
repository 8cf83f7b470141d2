"""Paths of accounts under /api/v1/ (layer: faces)."""

from django.urls import path

from accounts.api import access_urls
from accounts.api.anchors import Anchors, MyAnchor
from accounts.api.imports import AnchorImport, StallImport
from accounts.api.merchants import Merchants, MyMerchant
from accounts.api.photos import MyLicencePhoto
from accounts.api.reasons import Reasons
from accounts.api.reference import Holidays, PriceBins, ReferenceList
from accounts.api.stalls import OneStall, Stalls

urlpatterns = [
    *access_urls.urlpatterns,
    path("merchants/", Merchants.as_view(), name="merchants"),
    path("merchants/me/", MyMerchant.as_view(), name="my-merchant"),
    path("merchants/me/licence-photo/", MyLicencePhoto.as_view(), name="my-licence-photo"),
    path("stalls/", Stalls.as_view(), name="stalls"),
    path("stalls/import/", StallImport.as_view(), name="stall-import"),
    path("stalls/<uuid:stall_id>/", OneStall.as_view(), name="stall"),
    path("anchors/", Anchors.as_view(), name="anchors"),
    path("anchors/import/", AnchorImport.as_view(), name="anchor-import"),
    path("anchors/me/", MyAnchor.as_view(), name="my-anchor"),
    path("reasons/", Reasons.as_view(), name="reasons"),
    path("holidays/", Holidays.as_view(), name="holidays"),
    path("price-bins/", PriceBins.as_view(), name="price-bins"),
    *(
        path(f"{kind}/", ReferenceList.as_view(kind=kind), name=kind)
        for kind in ("categories", "styles", "zones", "regions", "languages")
    ),
]
