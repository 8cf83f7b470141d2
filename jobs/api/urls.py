"""Addresses of jobs."""

from django.urls import path

from jobs.api.views import OneJob

urlpatterns = [path("jobs/<uuid:job_id>/", OneJob.as_view(), name="job")]
