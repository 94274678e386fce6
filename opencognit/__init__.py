"""OpenCognit: an actor-model runtime for companies made of AI agents."""

__version__ = "0.1.0"
