"""Decoders: what a body is, one module each.

Knows bytes and the documents in them; knows neither HTTP nor the mapping. A new decoder is a module with its
``DECODER`` and a line in ``registry``. Read in this order:

    base        what a decoder is
    registry    all of them
    plain       JSON
    ndjson, jsonp, lines    JSON on lines, in a call, and no JSON at all
    tables      CSV
    elements    XML
"""
