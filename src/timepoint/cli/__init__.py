"""Commands: what a person types. ``timepoint NAME`` is the module NAME; ``main`` has the list of them.

Beside the commands stand what several of them share:

    exits           what an exit code means
    options         arguments and options, and how their texts are read
    choosing        which jobs of a config are meant
    lanes           the lanes of a fan-out, for a command that runs a job once
    watching        what the commands for Prometheus and Grafana share
    window_lines    what a run asks for, in words
    preview_run, preview_lines      what ``preview`` asks and makes of it, and what it says beside the page
"""
