"""Mapping: a document becomes points and rejects. Pure: no sockets, no files, no clock, no policy.

Read in this order; what stands on one line belongs together.

    compiling, once per config
        spec                what the config says, still text
        paths, walks        paths are parsed; the walks of ``rows`` form a tree (R1)
        cells               an entry that is a path to one node
        lookups             nodes that are found by a key in another branch of the document
        plans               what each metric reads, and from which walk
        lone                elements that stand where their list should
        selectors, program  paths and plans become one function of nested loops
        answers             whole answers: the three below, and what they come to in a run
        expect, boundary, signals   what a usable document holds (R11); up to when it is final; what is missing in it
        strangers           documents that are not what the mapping was written for
    running, once per answer
        engine              a run: documents in, points and rejects out
        spine, outlines, documents  where a body may be cut into parts, and their decoding
        weight              how much memory a body may take, told before it is decoded
        nodes, rows         what the generated loops call
        texts               series texts, remembered from run to run
        sinks, parts        a row's cells become points; histograms, summaries, statesets
        times, series       when points are; several of one interval
    reading one cell
        numbers, stamps, units, labels, relabel     raise ``unusable``, counted by the words of ``reasons``
"""
