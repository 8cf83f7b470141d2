"""`Idempotency-Key`: answer and effect are one transaction, a repeat only replays (layer: faces)."""

import hashlib
import json
from functools import partial
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.models import IdempotencyKey
from matchmaker.core.errors import DomainError, InvalidInput
from matchmaker.core.exception_handler import PROBLEM_TYPE
from matchmaker.core.renderers import RENDERING

REPLAYED_HEADERS = ("ETag", "Location")
# A DELETE that is repeated finds nothing left to do.
METHODS = ("POST", "PUT", "PATCH")


class KeyReused(DomainError):
    """The key was used for another request."""

    status = 422
    default_code = "idempotency_key_reused"
    default_detail = _("This Idempotency-Key was used for another request.")


class _Refused(Exception):
    """Carries a refusal out of the transaction, so that nothing of it is kept."""

    def __init__(self, response: Response) -> None:
        self.response = response


class Idempotent(APIView):
    """Mixin for API views: a write that names a key has one effect, however often it arrives."""

    is_idempotent = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key = request.headers.get("Idempotency-Key", "")
        if request.method not in METHODS or not key or not request.user.is_authenticated:
            return
        if len(key) > 128 or not key.isprintable():
            message = _("At most 128 printable characters.")
            raise InvalidInput(fields={"Idempotency-Key": [str(message)]})
        name = request.method.lower()
        if handler := getattr(self, name, None):
            setattr(self, name, partial(answer_once, key, handler))


def answer_once(key: str, handler: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
    """Run the handler and store its answer in one transaction, or replay the stored answer.

    Refusals (4xx, 5xx) are not stored: nothing happened, and the corrected request may use the key again.
    """
    digest, user_id = _digest_of(request), int(request.user.pk or 0)
    try:
        with transaction.atomic():
            row = IdempotencyKey.objects.create(user_id=user_id, key=key, digest=digest)
            response: Response = handler(request, *args, **kwargs)
            if response.status_code >= 400:
                raise _Refused(response)
            _store(row, response)
            return response
    except _Refused as refusal:
        return refusal.response
    except IntegrityError:
        stored = IdempotencyKey.objects.filter(user_id=user_id, key=key).first()
        if stored is None:
            raise  # not the key: the handler's own constraint
        return _replay(stored, digest)


def _digest_of(request: Request) -> str:
    # One body sent for two parties of one user is two requests.
    parts = [request.get_full_path().encode(), request.headers.get("X-Party", "").strip().encode()]
    if request.method != "POST":
        parts.append(str(request.method).encode())
    # Not by orjson, which refuses whole numbers of more than 64 bits.
    data = request.data
    parts.append(data if isinstance(data, bytes) else json.dumps(data, sort_keys=True, default=str).encode())
    for upload in request.FILES.values():
        parts.append(upload.read())
        upload.seek(0)
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def _store(row: IdempotencyKey, response: Response) -> None:
    row.status = response.status_code
    # As the renderer writes it, so that a replay has the same bytes.
    row.body = orjson.loads(orjson.dumps(response.data, default=str, option=RENDERING))
    row.headers = {name: response[name] for name in REPLAYED_HEADERS if name in response}
    row.save(update_fields=["status", "body", "headers", "updated_at"])


def _replay(stored: IdempotencyKey, digest: str) -> Response:
    if stored.digest != digest:
        raise KeyReused()
    headers = stored.headers | {"Idempotency-Replayed": "true"}
    content_type = PROBLEM_TYPE if stored.status >= 400 else None
    return Response(stored.body, status=stored.status, headers=headers, content_type=content_type)
