"""Endpoints of notices: what you were told, and that you have read it (layer: faces)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.acting import asker
from accounts.choices import Scope
from accounts.permissions import HasScope
from jobs.idempotency import Idempotent
from notifications import services
from notifications.api.serializers import NoticePageShape, NoticeQuery, ReadInput, ReadShape
from notifications.models import Notice
from notifications.registry import Told
from notifications.selectors import notices_of, texts_of, unread_count


@extend_schema(tags=["notifications"])
class Notices(GenericAPIView[Notice]):
    """What the asker was told."""

    permission_classes = [IsAuthenticated, HasScope]
    required_scopes = {"GET": Scope.MATCHES_READ}
    queryset = Notice.objects.none()  # for the schema; `get` asks the selector
    query_names = frozenset(NoticeQuery().fields)

    @extend_schema(operation_id="notifications_list", parameters=[NoticeQuery], responses=NoticePageShape)
    def get(self, request: Request) -> Response:
        """List what you were told, newest first, with the number of unread notices."""
        given = {name: ",".join(values) for name, values in request.query_params.lists()}
        query = NoticeQuery(data=given).checked()
        page = self.paginate_queryset(notices_of(asker(request), unread=query.get("unread"))) or []
        texts = texts_of(page)
        response = self.get_paginated_response([_shown(notice, texts[notice.pk]) for notice in page])
        response.data["unread"] = unread_count(asker(request))
        return response


@extend_schema(tags=["notifications"])
class ReadNotices(Idempotent, APIView):
    """That the asker has read notices."""

    permission_classes = [IsAuthenticated, HasScope]
    required_scopes = {"POST": Scope.MATCHES_WRITE}

    @extend_schema(request=ReadInput, responses=ReadShape)
    def post(self, request: Request) -> Response:
        """Mark notices as read, up to 100 by their ids, or one and all before it; a repeat is harmless."""
        values = ReadInput(data=request.data).checked()
        user = asker(request)
        if "ids" in values:
            read = services.mark_read(actor=user, ids=values["ids"])
        else:
            read = services.mark_read_up_to(actor=user, last=values["all_up_to"])
        return Response({"read": read, "unread": unread_count(user)})


def _shown(notice: Notice, told: Told) -> dict[str, Any]:
    return {
        "id": notice.public_id,
        "topic": notice.topic,
        "subject": notice.subject_id,
        "facts": notice.facts,
        "title": told.title,
        "body": told.body,
        "created_at": notice.created_at,
        "read_at": notice.read_at,
    }
