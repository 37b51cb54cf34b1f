"""Runbook: the calm co-pilot for incident response at 3 a.m."""

__version__ = "0.1.0"
