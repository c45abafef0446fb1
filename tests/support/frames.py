"""What a crash report shows: the local variables of the frames that an error passed."""

from __future__ import annotations


def local_variables(error: BaseException) -> list[str]:
    """Texts of all local variables in the frames of the library that an error passed, and of its context."""
    found: list[str] = []
    chain: BaseException | None = error
    while chain is not None:
        trace = chain.__traceback__
        while trace is not None:
            if "fuota_fec" in trace.tb_frame.f_code.co_filename and "tests" not in trace.tb_frame.f_code.co_filename:
                found += map(repr, trace.tb_frame.f_locals.values())
            trace = trace.tb_next
        chain = chain.__cause__ or chain.__context__
    return found
