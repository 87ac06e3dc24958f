"""How much of what is paid by use: measured, or taken for granted and said so."""

HOURS_A_MONTH = 730
OFFICE_HOURS = 12 * 5 * 52 / 12
"""Of a month: twelve hours on five days of the week."""

SESSION_GB = 16_000 * 2 * 3600 / 1e9
"""An hour of 16-bit samples at 16 kHz: what most clients send, what is kept, and what the engine is sent of speech. On
the way in, Opus is a tenth of it and telephone audio half."""
STORE_WRITES = 26
"""Requests that write, for an hour that is kept: parts of the recording, its beginning, checkpoints and end
(`make bench-storage`)."""
FINALS_A_MINUTE = 11
"""Requests to the engine for speech without end, no partials: 663 of an hour (`make bench-hour`)."""
LOG_GB = 2e-6
"""A session's lines in the log: one when it ends, one where something happened."""

EMF_LINE_GB = 1.0e-6
"""A task's metrics, each minute."""
SERVICE_METRICS = 11
"""Metrics that the service's lines become; without dimensions, so as many for any number of tasks."""

INSIGHTS_METRICS = {"enabled": 30, "enhanced": 100}
"""Metrics that Container Insights makes of one cluster with one service; enhanced ones count tasks and containers as
well. An estimate from its documentation: the invoice has the number, as MetricMonitorUsage or ObservationUsage."""
ALARMS_OF_A_POLICY = 2
"""Target tracking makes one for more tasks and one for fewer."""

IMAGE_GB = 0.1
"""Of an image, what the one before it has not got: packages and source, without the base."""

FLOW_LOG_GB = 0.1
"""Of a month without sessions: health checks, and who knocks at the load balancer's addresses. An estimate."""
FLOW_LOG_SESSION_GB = 12 * 4 * 120e-9
"""Twelve records in an hour for each of four interfaces on a session's way, 120 bytes each."""
