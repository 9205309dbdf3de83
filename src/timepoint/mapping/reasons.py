"""Why a row or a value was not used: the closed set of words that rejects are counted by.

Owns: the words and a sentence for each; the documentation prints them, and a test holds the room to them. Must not
know: when each is used. The ledger adds words of its own (late, overlapping and revised points).
"""

from __future__ import annotations

from types import MappingProxyType

REASONS = MappingProxyType(
    {
        "no_such_node": "A value path was found in no row of an answer, not even as null: it may be misspelt.",
        "several_nodes": "A path in value, time or labels selected more than one node.",
        "no_match": "A look-up finds no node that has the row's key (see unmatched).",
        "several_matches": "A look-up finds several nodes with the row's key, and they differ.",
        "lone_element": "An object stands where its list should, as in JSON made of XML (see lone_lists).",
        "not_a_number": "The value is not a number, nor text that is one; see map, missing, decimal and strip.",
        "out_of_range": "The number does not fit a float64.",
        "not_finite": "A counter cannot take NaN or an infinite value.",
        "negative": "A counter cannot take a value below zero.",
        "not_a_time": "The time is not there, or is not a stamp of the format.",
        "no_such_local_time": "The local time does not exist in its time zone, as the clock was put forward.",
        "not_a_zone": "The time zone is not a name that is known.",
        "not_a_length": "The interval or step is not a length of time.",
        "not_an_interval": "The end of the interval lies before its start.",
        "not_a_label": "A label is an object or an array, or labels were to be spread from something else.",
        "label_clash": "Two members of an object come to the same label name.",
        "length_mismatch": "Lists of a row, a table row or the implied times have different lengths.",
        "list_without_times": "A list of values has neither a list of times nor start and step.",
        "duplicate_point": "A point came twice with different values; the first stays (see combine).",
        "duplicate_key": "An object holds a key twice, so what it says is not certain; it is not used.",
        "undecodable": "A part of the body is not valid JSON, or is nested too deep.",
        "not_an_object": "The parts of a histogram, summary or stateset are not what they must be.",
        "incomplete": "A histogram lacks its buckets, sum or count, or a summary its sum or count.",
        "not_cumulative": "The counts of a histogram's buckets fall, or do not end at its count.",
        "unknown_state": "The state is not one of those that the stateset declares.",
    }
)
