"""How far a piece of background work is (layer: faces)."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.models import Job, JobState
from jobs.selectors import job_for


class JobSerializer(serializers.Serializer[Job]):
    """A job as its asker sees it."""

    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=JobState.choices)
    progress = serializers.FloatField(help_text="Share done, in [0, 1].", min_value=0, max_value=1)
    done = serializers.IntegerField(source="done_units")
    total = serializers.IntegerField(source="total_units")
    attempts = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class OneJob(APIView):
    """The progress of one job."""

    # Read by the default permissions; a string, for jobs lies below accounts.
    required_scopes = {"GET": "profile:read"}

    @extend_schema(tags=["jobs"], responses=JobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        """Read how far a job is that you asked for; the `Link` header of a change names it."""
        return Response(JobSerializer(job_for(user=request.user, public_id=job_id)).data)
