"""What a command's exit code means.

Owns: the codes. Must not know: any command.

    0       done; a server was told to end and did
    1       it did not work: a taken port, a job that failed in ``poll --once``, a source that did not answer; or
            ``doctor`` found something
    2       the command line or the config file is wrong; nothing was started
    75      the data directory is in use by another process; try later (EX_TEMPFAIL of sysexits.h)
"""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_IN_USE = 75
