"""The one exception of the engine; services translate it."""


class EngineError(Exception):
    """Raised for input or configuration that the engine cannot work with; the text names the field."""
