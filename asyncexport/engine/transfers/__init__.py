"""The bytes of exports on their way into sinks."""
