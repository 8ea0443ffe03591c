"""Questions on a real engine. A package, so that the engine, of which a process has one, ends with its last test."""
