"""Where log lines go and how they look: for people on a terminal, JSON for programs otherwise."""

import logging
import sys

import structlog


def log_to_stderr() -> None:
    """Send all log lines to standard error: coloured text on a terminal, one JSON object a line otherwise."""
    readable = sys.stderr.isatty()
    steps: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if readable:
        steps.append(structlog.dev.ConsoleRenderer())
    else:
        steps += [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=steps,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
