"""Shapes of notices in the API (layer: faces)."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from matchmaker.core.serializers import StrictSerializer

MOST_IDS = 100


class NoticeQuery(StrictSerializer):
    """What the list of notices may be narrowed by."""

    unread = serializers.BooleanField(
        required=False, help_text="true: only what is unread; false: only what was read."
    )
    cursor = serializers.CharField(required=False)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)


class ReadInput(StrictSerializer):
    """What was read: some notices by their ids, or one and all before it."""

    ids = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        max_length=MOST_IDS,
        help_text="Ids that are not those of your notices are passed over.",
    )
    all_up_to = serializers.UUIDField(
        required=False, help_text="Id of the newest notice that was on the screen."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            message = _("Give either the ids of notices, or all_up_to.")
            raise serializers.ValidationError({"ids": [message]})
        return attrs


class NoticeShape(serializers.Serializer[Any]):
    """One thing that you were told."""

    id = serializers.UUIDField()
    topic = serializers.CharField(help_text="Which kind of news; match or outcome.")
    subject = serializers.UUIDField(allow_null=True, help_text="Id of the match that it is about.")
    facts = serializers.DictField(help_text="The same as codes and times; `action` is the move.")
    title = serializers.CharField(help_text="In the language of the request.")
    body = serializers.CharField(help_text="In the language of the request.")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NoticePageShape(serializers.Serializer[Any]):
    """One page of notices, newest first."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = NoticeShape(many=True)
    unread = serializers.IntegerField(help_text="How many are unread in all, on whichever page.")


class ReadShape(serializers.Serializer[Any]):
    """What came of it."""

    read = serializers.IntegerField(help_text="Notices that were unread until now.")
    unread = serializers.IntegerField(help_text="Notices that still are.")
