"""Flows that a person can deploy, and the command line over them."""

import os

# Before Prefect is imported: nothing is reported over the network, and the steps' own log lines
# (`perennial.*`) go to the run's page too.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "perennial")
# On a busy machine Prefect's own server takes longer to start than the 20 s it gives itself.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
# `perennial serve` logs outside a flow: that is no mistake to warn of.
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
