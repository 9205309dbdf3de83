"""Transform: what the config puts between a decoded body and the mapping.

Knows documents and the programs and functions that change them; knows neither HTTP nor the mapping's rules.
Read in this order:

    chain       the steps of a job, and the document of an answer after them
    functions   a Python function of the user
    programs    a jq program
    child       the process in which jq runs
"""
