"""Doctor: what a data directory holds, whether it keeps its promises, and the few repairs that lose nothing."""
