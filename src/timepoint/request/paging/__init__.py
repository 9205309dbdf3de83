"""Paging: the answer for one window comes in several pages. Knows requests and documents; not jobs, not sockets.

Read in this order:

    keys        how a kind of paging says which keys it has in the config
    spec        what a job's paging says, whatever its kind
    nodes       what a path finds in a page, of which no more is decoded than that
    places, times       where a value is sent in the next request; how the times of a page are read
    pager, flag     what a kind of paging is; the flag that says whether there are more pages
    signs       what an answer says of further pages by its names, for a person
    next_url, link, cursor, last_id, offset, page_number, continue_at, one_page    the kinds, each in one module
    kinds       their names in the config: a new kind is registered here
    reading     the pages of one window, one after the other, and the checks that hold for all kinds
"""
