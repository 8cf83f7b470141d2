"""Endpoints of the photo of a merchant's licence (layer: faces)."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_merchant, asker
from accounts.api.base import PartyView
from accounts.models import LicencePhoto
from accounts.selectors import shown_licence_photo
from accounts.services.photos import keep_licence_photo, remove_licence_photo
from matchmaker.core.images import MOST_BYTES, jpeg_response
from matchmaker.core.parsers import FileParser
from matchmaker.core.renderers import OneKind

_BINARY = {"type": "string", "format": "binary"}


class JPEGParser(FileParser):
    """A picture, of either kind: the service looks at its bytes."""

    media_type = "image/jpeg"
    most_bytes = MOST_BYTES


class PNGParser(JPEGParser):
    """The same for who says that it is a PNG."""

    media_type = "image/png"


class LicencePhotoSerializer(serializers.ModelSerializer[LicencePhoto]):
    """What is told of a photo that was kept."""

    id = serializers.UUIDField(source="public_id")
    width = serializers.IntegerField(help_text="Pixels.")
    height = serializers.IntegerField(help_text="Pixels.")

    class Meta:
        model = LicencePhoto
        fields = ("id", "width", "height", "updated_at")


@extend_schema(tags=["merchants"])
class MyLicencePhoto(PartyView):
    """The photo of the business licence of the merchant that the asker acts for."""

    parser_classes = [JPEGParser, PNGParser]
    content_negotiation_class = OneKind

    @extend_schema(responses={(200, "image/jpeg"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> HttpResponse:
        """Look at the photo as town staff see it."""
        photo = shown_licence_photo(acting_merchant(request))
        return jpeg_response(photo.content, name=str(photo.public_id))

    @extend_schema(
        request={"image/jpeg": _BINARY, "image/png": _BINARY}, responses={200: LicencePhotoSerializer}
    )
    def put(self, request: Request) -> Response:
        """Give town staff a photo of your licence: JPEG or PNG, at most 5 MB and 50 million pixels.

        Only the picture is kept, without what the camera wrote into it, at most 2,000 pixels wide and high.
        Nobody but you and town staff sees it.
        """
        merchant = acting_merchant(request)
        content = request.data if isinstance(request.data, bytes) else b""  # DRF parses no empty body
        photo = keep_licence_photo(actor=asker(request), merchant=merchant, content=content)
        return Response(LicencePhotoSerializer(photo).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Take the photo back; it is deleted for good."""
        remove_licence_photo(actor=asker(request), merchant=acting_merchant(request))
        return Response(status=204)
