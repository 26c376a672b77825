"""Flows that a person can deploy, and the command line over them."""

import os

# Before Prefect is imported: nothing is reported over the network, and the steps' own log lines
# (`perennial.*`) go to the run's page too.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "perennial")
# A first start on a busy machine takes longer than Prefect waits by itself.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
