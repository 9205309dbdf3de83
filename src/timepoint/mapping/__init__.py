"""Mapping: a document becomes points and rejects. Pure: no sockets, no files, no clock, no policy."""
