"""Backups of a town: one file with the database, the uploads and a manifest that proves both.

What stands in the file, and what does not, is told in docs/operations.md. `making` and `restoring` are the
two ways through; `sqlite` and `postgresql` know how each database is copied while the town runs.
"""
