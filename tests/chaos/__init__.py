"""Faults on purpose: a whole town of its own is hurt while clients use it, and nothing may be lost.

`python -m tests.chaos --minutes N` starts PostgreSQL, Redis, web, workers and beat, drives clients that write
down what they send and what they were told, injects faults, and compares journal and database both ways.
"""
